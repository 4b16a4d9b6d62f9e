// Readers of alert files and decoders of alert messages for C++20. Part of space2vec.hpp.
#pragma once

#include "core.hpp"

#include <cstddef>
#include <functional>

namespace s2v {

// The place at which a reader begins: a block of an input, and the number of rows to leave out from there. To go on
// behind a row, take source and block of its s2v_place, and count the rows of that block up to it.
struct Start {
    std::int32_t source = 0;
    std::uint64_t block = 0;
    std::int64_t row = 0;
};

// The options of a reader or a decoder, as in s2v_reading.
struct Reading {
    std::vector<std::string> columns;                 // dotted paths of numbers that are wanted
    std::vector<std::string> fields;                  // paths of values of any kind that are wanted
    std::map<std::uint32_t, std::string> schemas;     // of bare messages, by number
    std::uint32_t planes = (1U << S2V_CHANNELS) - 1;  // bit c: plane c is decoded
    bool keep_pixels = true;
    std::int32_t sets = 0;  // the stamp features of these sets (s2v_feature_set) are computed
    s2v_convention convention = S2V_CONVENTION_CODE;
    float saturation = std::numeric_limits<float>::quiet_NaN();
    int threads = 0;                         // 0: one a core
    std::optional<s2v_allocator> allocator;  // for the pixels of batches; none: ordinary memory
    const s2v_model *model = nullptr;        // Model::c(), to outlive the reader: batches carry its scores; or null
    const s2v_model *embedder = nullptr;  // a network of vectors, to outlive the reader: batches carry vectors; or null
    bool catalogue = false;               // batches have the catalogue's columns
    s2v_limits limits = sized<s2v_limits>();  // on what an input may ask for; 0: the library's
    Start start;                              // of a reader
    std::function<bool()> interrupted;        // called by a reader while it waits; true: it gives up
};

// Pixels of a batch that were taken over from its reader, which they may outlive.
class Pixels {
public:
    Pixels() = default;
    explicit Pixels(const s2v_pixels &pixels) noexcept : held_(pixels) {}
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
    // Whether they lie in memory of the allocator (true) or in ordinary memory.
    [[nodiscard]] bool allocated() const noexcept {
        return held_.allocated != 0;
    }

private:
    s2v_pixels held_ = sized<s2v_pixels>();
};

// The value of a packet at a path: nothing, a number, or a text.
using Value = std::variant<std::monostate, std::int64_t, double, std::string>;

namespace detail {

// An s2v_reading with everything that it points at.
class ReadingInC {
public:
    explicit ReadingInC(const Reading &how)
        : columns_(pointers(how.columns)), fields_(pointers(how.fields)), allocator_(how.allocator) {
        for (const auto &[number, text] : how.schemas) {
            numbers_.push_back(number);
            schemas_.push_back(text.c_str());
        }
        s2v_reading_init(&c);
        c.column_count = static_cast<std::int32_t>(columns_.size());
        c.columns = columns_.data();
        c.field_count = static_cast<std::int32_t>(fields_.size());
        c.fields = fields_.data();
        c.schema_count = static_cast<std::int32_t>(numbers_.size());
        c.schema_ids = numbers_.data();
        c.schemas = schemas_.data();
        c.planes = how.planes;
        c.keep_pixels = how.keep_pixels;
        c.sets = how.sets;
        c.convention = how.convention;
        c.saturation = how.saturation;
        c.threads = how.threads;
        c.model = how.model;
        c.catalogue = how.catalogue;
        c.embedder = how.embedder;
        c.allocator = allocator_ ? &*allocator_ : nullptr;
        c.start_source = how.start.source;
        c.start_block = how.start.block;
        c.start_row = how.start.row;
    }
    ReadingInC(const ReadingInC &) = delete;
    ReadingInC &operator=(const ReadingInC &) = delete;

    static std::vector<const char *> pointers(const std::vector<std::string> &texts) {
        std::vector<const char *> out;
        for (const std::string &text : texts) out.push_back(text.c_str());
        return out;
    }

    s2v_reading c;

private:
    std::vector<const char *> columns_, fields_, schemas_;
    std::vector<std::uint32_t> numbers_;
    std::optional<s2v_allocator> allocator_;
};

// Messages, or files in memory, in the form of the C ABI.
struct InMemory {
    std::vector<const void *> bytes;
    std::vector<std::int64_t> size;

    void assign(std::span<const std::span<const std::byte>> inputs) {
        bytes.clear();
        size.clear();
        for (const std::span<const std::byte> input : inputs) {
            bytes.push_back(input.data());
            size.push_back(static_cast<std::int64_t>(input.size()));
        }
    }
};

}  // namespace detail

// The id of a candidate of a batch, as text; "" where it is unknown.
inline std::string candidate_id(const s2v_batch &batch, std::int64_t row) {
    if (batch.candidate_kind[row] == S2V_ID_SIGNED) return std::to_string(batch.candidate_id[row]);
    const char *const texts = batch.candidate_texts;
    return {texts + (row ? batch.candidate_text_end[row - 1] : 0), texts + batch.candidate_text_end[row]};
}

// The id of its object; "" where it is unknown.
inline std::string object_id(const s2v_batch &batch, std::int64_t row) {
    return {batch.object_ids + (row ? batch.object_end[row - 1] : 0), batch.object_ids + batch.object_end[row]};
}

// Reads alerts of files, of files in memory or of a table, in order; its threads read ahead and decode.
class Reader {
public:
    explicit Reader(const std::vector<std::string> &paths, Reading how = {}) : how_(std::move(how)) {
        const auto paths_c = detail::ReadingInC::pointers(paths);
        open([&](s2v_reading &reading) {
            reading.count = static_cast<std::int64_t>(paths_c.size());
            reading.paths = paths_c.data();
        });
    }

    // Read files in memory, or messages, one an input; the bytes must outlive the reader.
    explicit Reader(std::span<const std::span<const std::byte>> inputs, Reading how = {}) : how_(std::move(how)) {
        detail::InMemory memory;
        memory.assign(inputs);
        open([&](s2v_reading &reading) {
            reading.count = static_cast<std::int64_t>(inputs.size());
            reading.memory = memory.bytes.data();
            reading.memory_size = memory.size.data();
        });
    }

    // Read a table, which must outlive the reader with everything that it points at.
    explicit Reader(const s2v_cutouts &cutouts, Reading how = {}) : how_(std::move(how)) {
        open([](s2v_reading &) {}, &cutouts);
    }

    // The next rows, at most `rows`, valid until the next call; null at the end. Throws Error if the machine cannot
    // read a file; earlier calls have returned all rows before it.
    [[nodiscard]] const s2v_batch *next(std::int64_t rows = 1024) {
        const s2v_status status = s2v_reader_next(reader_.get(), rows, &batch_);
        if (status != S2V_OK) throw Error(status, s2v_last_error());
        return batch_.stamps.n > 0 ? &batch_ : nullptr;
    }

    // The id of a candidate of the last batch, as text; "" where it is unknown.
    [[nodiscard]] std::string candidate_id(std::int64_t row) const {
        return s2v::candidate_id(batch_, row);
    }

    // The value of a packet of the last batch at one of the fields.
    [[nodiscard]] Value value(std::int64_t row, std::size_t field) const {
        const auto at = static_cast<std::size_t>(row) * how_.fields.size() + field;
        const s2v_value &value = batch_.values[at];
        if (value.kind == S2V_VALUE_INTEGER) return value.integer;
        if (value.kind == S2V_VALUE_REAL) return value.real;
        if (value.kind == S2V_VALUE_NONE) return {};
        const char *const begin = batch_.value_texts + (at ? batch_.values[at - 1].text_end : 0);
        return std::string(begin, batch_.value_texts + value.text_end);
    }

    // Take over the pixels of the last batch without a copy. There are none if the reader keeps none, or a second time.
    [[nodiscard]] Pixels take_pixels() {
        auto pixels = sized<s2v_pixels>();
        detail::check(s2v_reader_take_pixels(reader_.get(), &pixels), "take_pixels");
        return Pixels(pixels);
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

    // An exception of the function counts as an interrupt: none may pass the C ABI.
    static std::int32_t ask(void *context) {
        try {
            return (*static_cast<const std::function<bool()> *>(context))() ? 1 : 0;
        } catch (...) {
            return 1;
        }
    }

    template <typename Name>
    void open(Name name_inputs, const s2v_cutouts *cutouts = nullptr) {
        detail::ReadingInC reading(how_);
        name_inputs(reading.c);
        if (how_.interrupted) {
            interrupted_ = std::make_unique<std::function<bool()>>(how_.interrupted);
            reading.c.interrupted = &Reader::ask;
            reading.c.context = interrupted_.get();
        }
        s2v_reader *reader = nullptr;
        if (cutouts)
            detail::check(s2v_reader_open_cutouts_within(cutouts, &reading.c, &how_.limits, &reader), "Reader");
        else
            detail::check(s2v_reader_open_within(&reading.c, &how_.limits, &reader), "Reader");
        reader_.reset(reader);
    }

    Reading how_;
    std::unique_ptr<std::function<bool()>> interrupted_;  // where it stays when the reader is moved
    std::unique_ptr<s2v_reader, Close> reader_;
    s2v_batch batch_ = sized<s2v_batch>();
};

// Decodes messages in memory to rows and scores, one row each, in the thread of the caller. It compiles a schema once.
class Decoder {
public:
    explicit Decoder(const Reading &how = {}) {
        const detail::ReadingInC reading(how);
        s2v_decoder *decoder = nullptr;
        detail::check(s2v_decoder_create_within(&reading.c, &how.limits, &decoder), "Decoder");
        decoder_.reset(decoder);
    }

    // Add the schema of messages whose header has a number, or set that of messages without a header. Throws Error.
    void add_schema(std::uint32_t id, const std::string &json) {
        detail::check(s2v_decoder_add_schema(decoder_.get(), id, json.c_str()), "schema");
    }
    void set_bare_schema(const std::string &json) {
        detail::check(s2v_decoder_set_bare_schema(decoder_.get(), json.c_str()), "schema");
    }

    // Decode messages to one row each, in order, valid until the next call; an empty message is a row too.
    [[nodiscard]] const s2v_batch &decode(std::span<const std::span<const std::byte>> messages) {
        messages_.assign(messages);
        detail::check(s2v_decode_messages(decoder_.get(), messages_.bytes.data(), messages_.size.data(),
                                          static_cast<std::int64_t>(messages.size()), &batch_),
                      "decode");
        return batch_;
    }

    // P(real) of each message by the model of the reading, NAN where a flag forbids it. ids: as long, or empty; valid
    // until the next call.
    void score(std::span<const std::span<const std::byte>> messages, std::span<float> score,
               std::span<std::uint32_t> flags, std::span<s2v_id> candidate_ids = {}) {
        detail::require(score.size() == messages.size() && flags.size() == messages.size() &&
                            (candidate_ids.empty() || candidate_ids.size() == messages.size()),
                        "score: the arrays do not fit the messages");
        messages_.assign(messages);
        detail::check(s2v_score_messages(decoder_.get(), messages_.bytes.data(), messages_.size.data(),
                                         static_cast<std::int64_t>(messages.size()),
                                         candidate_ids.empty() ? nullptr : candidate_ids.data(), nullptr, score.data(),
                                         flags.data()),
                      "score");
    }

    [[nodiscard]] s2v_decoder *c() const noexcept {
        return decoder_.get();
    }

private:
    struct Free {
        void operator()(s2v_decoder *decoder) const noexcept {
            s2v_decoder_free(decoder);
        }
    };
    std::unique_ptr<s2v_decoder, Free> decoder_;
    detail::InMemory messages_;
    s2v_batch batch_ = sized<s2v_batch>();
};

}  // namespace s2v
