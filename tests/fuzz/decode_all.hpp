// An input in memory through framer and decoder, as the pipeline does it, in one thread.
#pragma once

#include "decode/decoder.hpp"
#include "decode/framer.hpp"
#include "fuzz.hpp"

#include <algorithm>

namespace fuzz {

// Checks the rows of every unit and forgets them.
class DecodeAtOnce final : public s2v::decode::UnitExchange {
public:
    explicit DecodeAtOnce(const s2v::decode::DecodeSettings &settings) : decoder_(settings) {}

    s2v::decode::Unit *take_empty() override {
        used_ = 1 - used_;
        return &units_[used_];
    }
    void submit(s2v::decode::Unit *unit) override {
        decoder_.decode(*unit);
        check(unit->rows);
    }
    void wait_until_decoded() override {}

private:
    static void check(const s2v::decode::Rows &rows) {
        const std::size_t n = rows.count();
        require(rows.offset.size() == 3 * n && rows.size.size() == 6 * n && rows.centre.size() == 2 * n &&
                    rows.candidate_id.size() == n && rows.candidate_kind.size() == n && rows.place.size() == n &&
                    rows.schema.size() == n && rows.survey.size() == n &&
                    rows.columns.size() == n * rows.shape.columns && rows.values.size() == n * rows.shape.fields,
                "every column has every row");
        for (const s2v::decode::Texts *texts : {&rows.object_id, &rows.candidate_text}) {
            require(texts->end.size() == n, "every row has its text");
            require(std::is_sorted(texts->end.begin(), texts->end.end()), "texts follow one another");
            require(n == 0 || texts->end.back() == static_cast<std::int64_t>(texts->letters.size()), "texts");
        }
        std::int64_t text = 0;
        for (const s2v_value &value : rows.values) {
            require(value.text_end >= text && (value.kind == S2V_VALUE_TEXT || value.text_end == text), "values");
            text = value.text_end;
        }
        require(text == static_cast<std::int64_t>(rows.value_texts.size()), "the texts of values");
        for (std::size_t plane = 0; plane < 3 * n; ++plane) {
            if (rows.offset[plane] < 0) continue;
            const std::int64_t height = rows.size[2 * plane];
            const std::int64_t width = rows.size[2 * plane + 1];
            require(height > 0 && width > 0, "a plane has pixels");
            require(rows.offset[plane] + height * width <= static_cast<std::int64_t>(rows.pixels.size()), "pixels");
        }
        std::int64_t row = 0;
        for (const s2v::decode::Problem &problem : rows.problems) {
            require(problem.row >= row && problem.row < static_cast<std::int64_t>(n),
                    "a problem has its row, in order");
            require(static_cast<bool>(problem.finding), "a problem has a reason");
            row = problem.row;
        }
    }

    s2v::decode::Decoder decoder_;
    s2v::decode::Unit units_[2];
    std::size_t used_ = 0;
};

inline void decode_all(std::span<const std::uint8_t> input, const s2v::decode::MessageSchemas &messages = {}) {
    const s2v::decode::PacketSelection selection = {{"candidate.magpsf", "diaSource.psfFlux"},
                                                    {"objectId", "fid", "a.b", "stampData"}};
    s2v::decode::DecodeSettings settings;
    settings.shape.columns = selection.columns.size();
    settings.shape.fields = selection.fields.size();
    DecodeAtOnce exchange(settings);
    s2v::decode::SchemaBook book(selection);
    s2v::decode::Source source;
    source.path = "input";
    source.memory = input;
    source.in_memory = true;
    const std::vector<s2v::decode::Source> sources = {source};
    const s2v::decode::Limits limits;
    s2v::decode::Framer(sources, messages, book, {}, limits, exchange).run();
}

}  // namespace fuzz
