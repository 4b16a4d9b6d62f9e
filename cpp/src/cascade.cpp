#include "cascade.hpp"

#include "kernel/calibration.hpp"
#include "kernel/row_rule.hpp"

#include <algorithm>

namespace s2v {
namespace {

// Rows of which inputs are copied at a time.
constexpr std::int64_t kCopied = 1024;

const s2v_model &first_of(const s2v_model &model) noexcept {
    return model.first ? *model.first : model;
}

template <class T>
void copy_row(const T *from, std::int64_t row, std::size_t width, std::vector<T> &to, std::size_t at) {
    std::copy_n(from + row * static_cast<std::int64_t>(width), width,
                to.begin() + static_cast<std::ptrdiff_t>(at * width));
}

// What a score of the first network is where it is not in doubt: it goes through the table of the cascade.
float settled(const s2v_model &model, float score) {
    const kernel::CalibrationView table = model.calibration.view();
    return table.knots > 0 ? kernel::apply_calibration(table, score) : score;
}

// Where the planes and columns of the first network stand among those of the second.
struct Places {
    std::vector<std::size_t> plane;
    std::vector<std::size_t> column;

    explicit Places(const s2v_model &model) {
        const s2v_model &first = *model.first;
        const kernel::ViewRecipe &own = first.recipe->views;
        const kernel::ViewRecipe &all = model.recipe->views;
        for (int view = 0; view < own.views; ++view)
            for (int k = 0; k < own.channels; ++k) {
                const auto *const at = std::find(all.channel, all.channel + all.channels, own.channel[k]);
                plane.push_back(static_cast<std::size_t>(view * all.channels + (at - all.channel)));
            }
        for (const std::string &name : first.columns) {
            const auto at = std::find(model.columns.begin(), model.columns.end(), name);
            column.push_back(static_cast<std::size_t>(at - model.columns.begin()));
        }
    }
};

}  // namespace

void BlockScorer::Doubtful::reserve(std::size_t rows) {
    row.reserve(rows);
    offset.resize(rows * S2V_CHANNELS);
    shape.resize(rows * S2V_CHANNELS * 2);
    centre.resize(rows * 2);
    raised.resize(rows);
    catalogue.resize(rows * kernel::kCatalogueColumns);
    score.resize(rows);
    flags.resize(rows);
}

void BlockScorer::Doubtful::gather(const s2v_stamps &stamps, const CandidateData &known) {
    for (std::size_t at = 0; at < row.size(); ++at) {
        copy_row(stamps.offset, row[at], S2V_CHANNELS, offset, at);
        copy_row(stamps.shape, row[at], std::size_t{S2V_CHANNELS} * 2, shape, at);
        if (stamps.centre != nullptr) copy_row(stamps.centre, row[at], 2, centre, at);
        if (known.raised != nullptr) raised[at] = known.raised[row[at]];
        if (known.catalogue != nullptr) copy_row(known.catalogue, row[at], kernel::kCatalogueColumns, catalogue, at);
    }
}

BlockScorer::BlockScorer(const s2v_model &model, const s2v_isa_table &isa, std::int32_t largest_side,
                         const s2v_allocator *allocator)
    : model_(model), rows_(first_of(model), isa, largest_side), space_(first_of(model), isa, kScorerBlock, allocator) {
    if (!model.first) return;
    second_.emplace(model, isa, largest_side);
    second_space_.emplace(model, isa, kScorerBlock, allocator);
    doubtful_.reserve(kScorerBlock);
}

std::span<const std::int64_t> BlockScorer::score_first(const s2v_stamps &stamps, std::int64_t begin, std::int64_t end,
                                                       const CandidateData &known, float *score, std::uint32_t *flags,
                                                       const VectorTarget *also) {
    rows_.score_block(stamps, begin, end, known, score, flags, space_, also);
    doubtful_.row.clear();
    for (std::int64_t row = begin; second_ && row < end; ++row) {
        if (kernel::is_in_doubt(model_.doubt, score[row])) {
            doubtful_.row.push_back(row);
        } else if (score[row] == score[row]) {
            score[row] = settled(model_, score[row]);
            flags[row] |= kernel::flag::scored_early;
        }
    }
    return doubtful_.row;
}

void BlockScorer::score_doubtful(const s2v_stamps &stamps, const CandidateData &known, float *score,
                                 std::uint32_t *flags) {
    doubtful_.gather(stamps, known);
    s2v_stamps some = stamps;
    some.n = static_cast<std::int64_t>(doubtful_.row.size());
    some.offset = doubtful_.offset.data();
    some.shape = doubtful_.shape.data();
    if (some.centre != nullptr) some.centre = doubtful_.centre.data();
    CandidateData own;
    if (known.raised != nullptr) own.raised = doubtful_.raised.data();
    if (known.catalogue != nullptr) own.catalogue = doubtful_.catalogue.data();
    second_->score_block(some, 0, some.n, own, doubtful_.score.data(), doubtful_.flags.data(), *second_space_);
    for (std::size_t at = 0; at < doubtful_.row.size(); ++at) {
        score[doubtful_.row[at]] = doubtful_.score[at];
        flags[doubtful_.row[at]] = doubtful_.flags[at];
    }
}

void predict_cascade(const s2v_model &model, const float *planes, const float *columns, std::int64_t n, float *score,
                     int threads) {
    const s2v_model &first = *model.first;
    const Places places(model);
    const auto side = static_cast<std::size_t>(model.recipe->height);
    const std::size_t pixels = side * side;
    const std::size_t of_row = model.recipe->pixels();
    const std::size_t width = model.columns.size();
    const auto most = static_cast<std::size_t>(std::min(n, kCopied));
    std::vector<float> some_planes(most * of_row);
    std::vector<float> some_columns(most * width);
    std::vector<float> second(most);
    std::vector<std::int64_t> doubtful;
    for (std::int64_t begin = 0; begin < n; begin += kCopied) {
        const std::int64_t end = std::min(n, begin + kCopied);
        float *to_plane = some_planes.data();
        float *to_column = some_columns.data();
        for (auto row = static_cast<std::size_t>(begin); row < static_cast<std::size_t>(end); ++row) {
            for (const std::size_t plane : places.plane)
                to_plane = std::copy_n(planes + row * of_row + plane * pixels, pixels, to_plane);
            for (const std::size_t column : places.column) *to_column++ = columns[row * width + column];
        }
        predict_alone(first, some_planes.data(), some_columns.data(), end - begin, score + begin, threads);
        doubtful.clear();
        for (std::int64_t row = begin; row < end; ++row) {
            if (kernel::is_in_doubt(model.doubt, score[row]))
                doubtful.push_back(row);
            else
                score[row] = settled(model, score[row]);
        }
        for (std::size_t at = 0; at < doubtful.size(); ++at) {
            copy_row(planes, doubtful[at], of_row, some_planes, at);
            if (width > 0) copy_row(columns, doubtful[at], width, some_columns, at);
        }
        predict_alone(model, some_planes.data(), some_columns.data(), static_cast<std::int64_t>(doubtful.size()),
                      second.data(), threads);
        for (std::size_t at = 0; at < doubtful.size(); ++at) score[doubtful[at]] = second[at];
    }
}

}  // namespace s2v
