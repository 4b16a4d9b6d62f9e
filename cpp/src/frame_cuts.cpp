#include "frame_cuts.hpp"

#include "checks.hpp"
#include "kernel/recipe.hpp"

#include <algorithm>
#include <cstdlib>
#include <limits>

namespace s2v {
namespace {

// Where large stamps are asked for, a few of them fill this.
constexpr std::int64_t kMostPixels = std::int64_t{1} << 20;

}  // namespace

std::int32_t cut_side(const ModelRecipe *recipe) noexcept {
    if (recipe == nullptr) return kernel::kWindow;
    // The crop of this one counts from the edges of a whole stamp.
    if (recipe->registered == static_cast<std::int32_t>(kernel::recipe::alerce_stamp)) return kernel::kLargestSide;
    return std::max(kernel::kWindow, recipe->height);
}

Field::Field(const s2v_frame *science, const s2v_frame *reference, const s2v_frame *difference, std::int64_t count,
             const double *to_x, const double *to_y)
    : frame{{science, "science", true}, {reference, "reference", false}, {difference, "difference", false}},
      n(count),
      x(to_x),
      y(to_y) {
    require(science != nullptr || reference != nullptr || difference != nullptr, "no frame: all are NULL");
    require(n >= 0 && n <= std::numeric_limits<std::int32_t>::max(), "n must be 0 to 2^31 - 1");
    require(n == 0 || (x != nullptr && y != nullptr), "x or y is NULL");
}

FrameCuts::FrameCuts(std::int32_t side, std::uint32_t planes, const s2v_allocator *allocator)
    : side_(side),
      planes_(planes),
      rows_(static_cast<std::int32_t>(
          std::clamp<std::int64_t>(kMostPixels / (std::int64_t{S2V_CHANNELS} * side * side), 1, kCutRows))),
      memory_(divide(nullptr), allocator) {
    divide(memory_.data());
}

std::size_t FrameCuts::divide(std::byte *memory) noexcept {
    MemoryDivider parts(memory);
    const auto rows = static_cast<std::size_t>(rows_);
    const auto side = static_cast<std::size_t>(side_);
    pixels_ = parts.take<float>(rows * S2V_CHANNELS * side * side);
    offset_ = parts.take<std::int64_t>(rows * S2V_CHANNELS);
    shape_ = parts.take<std::int32_t>(rows * S2V_CHANNELS * 2);
    centre_ = parts.take<std::int32_t>(rows * 2);
    raised_ = parts.take<std::uint32_t>(rows);
    return parts.used();
}

// The pixels of a row come out of memory while those of the row before are cut: rows of a frame lie far apart, and no
// processor foresees where the next candidate is.
void FrameCuts::prefetch_row(const Field &field, std::int64_t row) const noexcept {
    for (int c = 0; c < S2V_CHANNELS; ++c) {
        const Frame &frame = field.frame[c];
        if (!frame.is_present() || (planes_ >> c & 1U) == 0) continue;
        const Pixel centre = frame.pixel_at(field.x[row], field.y[row]);
        const Reach part = frame.reach_of(centre, side_);
        if (!part.empty()) frame.prefetch(centre, side_, part);
    }
}

// Cuts row `row` of a field, which becomes row `at` of the stamps: of the square around the candidate what at least one
// frame has.
void FrameCuts::cut_row(const Field &field, std::int64_t row, std::int64_t at) noexcept {
    Pixel centre[S2V_CHANNELS];
    Reach own[S2V_CHANNELS];
    Reach all = {side_, 0, side_, 0};
    const std::uint32_t cut = planes_ | (field.frame[S2V_SCIENCE].tells_saturation() ? 1U << S2V_SCIENCE : 0);
    for (int c = 0; c < S2V_CHANNELS; ++c) {
        own[c] = {0, 0, 0, 0};
        if (!field.frame[c].is_present() || (cut >> c & 1U) == 0) continue;
        centre[c] = field.frame[c].pixel_at(field.x[row], field.y[row]);
        own[c] = field.frame[c].reach_of(centre[c], side_);
        if (own[c].empty()) continue;
        all = {std::min(all.top, own[c].top), std::max(all.bottom, own[c].bottom), std::min(all.left, own[c].left),
               std::max(all.right, own[c].right)};
    }
    std::uint32_t flags = 0;
    const std::int64_t height = all.empty() ? 0 : all.bottom - all.top;
    const std::int64_t width = all.empty() ? 0 : all.right - all.left;
    for (int c = 0; c < S2V_CHANNELS; ++c) {
        const Frame &frame = field.frame[c];
        const std::int64_t place = at * S2V_CHANNELS + c;
        const bool used = (planes_ >> c & 1U) != 0;
        shape_[2 * place] = static_cast<std::int32_t>(height);
        shape_[2 * place + 1] = static_cast<std::int32_t>(width);
        offset_[place] = -1;
        if (own[c].empty()) continue;
        offset_[place] = place * side_ * side_;
        float *const out = pixels_ + offset_[place];
        if (own[c] != all) {
            flags |= used ? kernel::flag::padded : 0;
            std::fill_n(out, height * width, kernel::quiet_nan());
        }
        const std::uint32_t met = frame.read(centre[c], side_, own[c], width,
                                             out + (own[c].top - all.top) * width + (own[c].left - all.left));
        flags |= used ? met : met & kernel::flag::saturated;
    }
    centre_[2 * at] = all.empty() ? 0 : static_cast<std::int32_t>(side_ / 2 - all.top);
    centre_[2 * at + 1] = all.empty() ? 0 : static_cast<std::int32_t>(side_ / 2 - all.left);
    raised_[at] = flags;
}

s2v_stamps FrameCuts::cut(const Field &field, std::int64_t begin, std::int64_t end) noexcept {
    for (std::int64_t row = begin; row < end; ++row) {
        if (row + 1 < end) prefetch_row(field, row + 1);
        cut_row(field, row, row - begin);
    }
    s2v_stamps stamps{};
    stamps.size = sizeof stamps;
    stamps.pixels = pixels_;
    stamps.pixel_count = std::int64_t{rows_} * S2V_CHANNELS * side_ * side_;
    stamps.offset = offset_;
    stamps.shape = shape_;
    stamps.centre = centre_;
    stamps.n = end - begin;
    stamps.saturation = field.frame[S2V_SCIENCE].saturation();
    return stamps;
}

const std::uint32_t *FrameCuts::join_flags(const std::uint32_t *reader, std::int64_t count) noexcept {
    for (std::int64_t i = 0; i < count && reader != nullptr; ++i) raised_[i] |= reader[i];
    return raised_;
}

std::uint32_t cut_square(const Frame &frame, double x, double y, std::int32_t side, float *out) noexcept {
    const std::int64_t pixels = std::int64_t{side} * side;
    const Pixel centre = frame.pixel_at(x, y);
    const Reach part = frame.reach_of(centre, side);
    const Reach whole = {0, side, 0, side};
    std::uint32_t flags = 0;
    if (part != whole) {
        flags |= kernel::flag::padded;
        std::fill_n(out, pixels, kernel::quiet_nan());
    }
    if (part.empty()) return flags | kernel::flag::missing;
    flags |= frame.read(centre, side, part, side, out + part.top * side + part.left);
    for (std::int64_t r = part.top; r < part.bottom; ++r)
        for (std::int64_t c = part.left; c < part.right; ++c) {
            const float pixel = out[r * side + c];
            const bool near =
                std::abs(r - side / 2) <= kernel::kWindow / 2 && std::abs(c - side / 2) <= kernel::kWindow / 2;
            if (near && pixel >= frame.saturation()) flags |= kernel::flag::saturated;
            if (!kernel::is_finite(pixel)) flags |= kernel::flag::nan_pixels;
        }
    return flags;
}

}  // namespace s2v
