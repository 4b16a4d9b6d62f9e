// space2vec for C++20: messages and files of alerts to rows. Part of space2vec.hpp.
#pragma once

#include "space2vec.hpp"

namespace s2v {

// What a reader is told, as in s2v_reading.
struct Reading {
    std::vector<std::string> columns;                 // dotted paths of numbers that are wanted
    std::vector<std::string> fields;                  // paths of values of any kind that are wanted
    std::map<std::uint32_t, std::string> schemas;     // of bare messages, by number
    std::uint32_t planes = (1U << S2V_CHANNELS) - 1;  // bit c: plane c is decoded
    bool keep_pixels = true;
    std::int32_t sets = 0;  // the stamp features of these sets (s2v_feature_set) are computed
    s2v_convention convention = S2V_CONVENTION_CODE;
    float saturation = std::numeric_limits<float>::quiet_NaN();
    int threads = 0;                          // 0: one a core
    std::optional<s2v_allocator> allocator;   // where the pixels of batches are put; none: ordinary memory
    const s2v_model *model = nullptr;         // Model::c(), to outlive the reader: batches carry its scores; or null
    s2v_limits limits = sized<s2v_limits>();  // of what a file of others may ask for; 0: the library's
};

// The pixels of a batch, taken over from its reader, which they may outlive.
class Pixels {
public:
    Pixels() = default;
    explicit Pixels(const s2v_pixels &taken) noexcept : held_(taken) {}
    Pixels(Pixels &&other) noexcept : held_(std::exchange(other.held_, sized<s2v_pixels>())) {}
    Pixels &operator=(Pixels &&other) noexcept {
        std::swap(held_, other.held_);
        return *this;
    }
    ~Pixels() {
        s2v_pixels_release(&held_);
    }

    [[nodiscard]] std::span<float> values() const noexcept {
        return {held_.pixels, static_cast<std::size_t>(held_.pixel_count)};
    }
    // Whether they lie in memory of the reader's allocator, or in ordinary memory.
    [[nodiscard]] bool allocated() const noexcept {
        return held_.allocated != 0;
    }

private:
    s2v_pixels held_ = sized<s2v_pixels>();
};

// What a packet has at a path: nothing, a number, or a text.
using Value = std::variant<std::monostate, std::int64_t, double, std::string>;

// Alerts of files, in order, decoded by threads that read ahead.
class Reader {
public:
    Reader(std::vector<std::string> paths, Reading how = {}) : paths_(std::move(paths)), how_(std::move(how)) {
        const auto pointers = [](const std::vector<std::string> &texts) {
            std::vector<const char *> out;
            for (const std::string &text : texts) out.push_back(text.c_str());
            return out;
        };
        const auto paths_c = pointers(paths_), columns_c = pointers(how_.columns), fields_c = pointers(how_.fields);
        std::vector<const char *> texts_c;
        std::vector<std::uint32_t> numbers;
        for (const auto &[number, text] : how_.schemas) {
            numbers.push_back(number);
            texts_c.push_back(text.c_str());
        }
        s2v_reading reading;
        s2v_reading_init(&reading);
        reading.count = static_cast<std::int64_t>(paths_c.size());
        reading.paths = paths_c.data();
        reading.column_count = static_cast<std::int32_t>(columns_c.size());
        reading.columns = columns_c.data();
        reading.field_count = static_cast<std::int32_t>(fields_c.size());
        reading.fields = fields_c.data();
        reading.schema_count = static_cast<std::int32_t>(numbers.size());
        reading.schema_ids = numbers.data();
        reading.schemas = texts_c.data();
        reading.planes = how_.planes;
        reading.keep_pixels = how_.keep_pixels;
        reading.sets = how_.sets;
        reading.convention = how_.convention;
        reading.saturation = how_.saturation;
        reading.threads = how_.threads;
        reading.model = how_.model;
        reading.allocator = how_.allocator ? &*how_.allocator : nullptr;
        s2v_reader *made = nullptr;
        detail::check(s2v_reader_open_within(&reading, &how_.limits, &made), "Reader");
        reader_.reset(made);
    }

    // The next rows, at most `rows`, valid until the next call; null at the end. Throws Error where the machine cannot
    // read a file; the rows before it have been given.
    [[nodiscard]] const s2v_batch *next(std::int64_t rows = 1024) {
        const s2v_status status = s2v_reader_next(reader_.get(), rows, &batch_);
        if (status != S2V_OK) throw Error(status, s2v_reader_message(reader_.get()));
        return batch_.stamps.n > 0 ? &batch_ : nullptr;
    }

    // The id of a candidate of the last batch, as text; "" where it is unknown.
    [[nodiscard]] std::string candidate_id(std::int64_t row) const {
        if (batch_.candidate_kind[row] == S2V_ID_SIGNED) return std::to_string(batch_.candidate_id[row]);
        const char *const texts = batch_.candidate_texts;
        return {texts + (row ? batch_.candidate_text_end[row - 1] : 0), texts + batch_.candidate_text_end[row]};
    }

    // What a packet of the last batch has at one of the fields.
    [[nodiscard]] Value value(std::int64_t row, std::size_t field) const {
        const auto at = static_cast<std::size_t>(row) * how_.fields.size() + field;
        const s2v_value &value = batch_.values[at];
        if (value.kind == S2V_VALUE_INTEGER) return value.integer;
        if (value.kind == S2V_VALUE_REAL) return value.real;
        if (value.kind == S2V_VALUE_NONE) return {};
        const char *const begin = batch_.value_texts + (at ? batch_.values[at - 1].text_end : 0);
        return std::string(begin, batch_.value_texts + value.text_end);
    }

    // The pixels of the last batch, without a copy; none where none are kept, or a second time.
    [[nodiscard]] Pixels take_pixels() {
        auto taken = sized<s2v_pixels>();
        detail::check(s2v_reader_take_pixels(reader_.get(), &taken), "take_pixels");
        return Pixels(taken);
    }

    // Whether a schema (s2v_batch.schema) has each of the columns.
    [[nodiscard]] std::vector<std::uint8_t> schema_columns(std::int32_t schema) const {
        std::vector<std::uint8_t> present(how_.columns.size());
        detail::check(s2v_reader_schema_columns(reader_.get(), schema, present.data()), "schema_columns");
        return present;
    }

private:
    struct Close {
        void operator()(s2v_reader *reader) const noexcept {
            s2v_reader_close(reader);
        }
    };
    std::vector<std::string> paths_;
    Reading how_;
    std::unique_ptr<s2v_reader, Close> reader_;
    s2v_batch batch_ = sized<s2v_batch>();
};

}  // namespace s2v
