// Reading behind the C ABI.
#include "checks.hpp"
#include "decode/pipeline.hpp"
#include "decode/zstandard.hpp"
#include "reading.hpp"
#include "thread_start.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

struct s2v_reader {
    s2v::OwnerProcess owner;
    s2v::decode::Pipeline pipeline;
    s2v::decode::Rows rows;
    std::vector<s2v_problem> problems;
    std::string message;
    std::function<bool()> interrupted;
    float saturation;
    bool out_of_memory = false;

    s2v_reader(s2v::decode::ReadingPlan plan, const s2v_reading &reading)
        : pipeline(std::move(plan)), saturation(reading.saturation) {
        rows.pixels = s2v::decode::Buffer<float>(s2v::decode::Store::of(reading.allocator));
        if (reading.interrupted)
            interrupted = [ask = reading.interrupted, context = reading.context] { return ask(context) != 0; };
    }

    [[nodiscard]] const s2v::decode::SchemaBook &schemas() const noexcept {
        return pipeline.schemas();
    }
};

namespace {

using namespace s2v;

decode::ReadingPlan reading_plan(const s2v_reading &reading, const s2v_limits &limits) {
    decode::ReadingPlan plan;
    S2V_REQUIRE_SIZE(&reading, s2v_reading);
    require(reading.count >= 0, "count is negative");
    require(reading.count == 0 || (reading.paths != nullptr) != (reading.memory != nullptr),
            "there are inputs, but neither paths nor memory, or both");
    require(reading.start_source >= 0 && reading.start_row >= 0, "the start is negative");
    for (std::int64_t i = 0; i < reading.count; ++i) {
        decode::Source source;
        if (reading.paths) {
            require(reading.paths[i], "a path is NULL");
            source.path = reading.paths[i];
        } else {
            require(
                reading.memory_size && reading.memory_size[i] >= 0 && (reading.memory[i] || !reading.memory_size[i]),
                "an input in memory is NULL, or has no size");
            source.in_memory = true;
            source.memory = {static_cast<const std::uint8_t *>(reading.memory[i]),
                             static_cast<std::size_t>(reading.memory_size[i])};
        }
        plan.sources.push_back(std::move(source));
    }
    plan.limits = limits_of(limits);
    plan.settings = decode_settings(reading, plan.limits);
    plan.book = std::make_shared<decode::SchemaBook>(packet_selection(reading, plan.settings));
    for (std::int32_t i = 0; i < reading.schema_count; ++i) {
        plan.messages[reading.schema_ids[i]] = reading.schemas[i];
        try {
            plan.book->keep(reading.schemas[i]);
        } catch (const decode::SchemaError &error) {
            throw Failure(S2V_INVALID_ARGUMENT, "a schema of messages: " + error.reason);
        }
    }
    plan.threads = reading.threads;
    plan.start = {reading.start_source, reading.start_block};
    plan.skip_rows = reading.start_row;
    return plan;
}

void require_spans(const char *texts, const std::int64_t *end, std::int64_t n) {
    if (!texts) return;
    require(end, "texts without their ends");
    for (std::int64_t row = 0; row < n; ++row) require(end[row] >= (row ? end[row - 1] : 0), "ends fall");
}

}  // namespace

extern "C" {

const char *s2v_inflate_engine(void) {
    return decode::inflate_engine();
}

int32_t s2v_codec_available(const char *codec) {
    const std::string_view name = codec ? codec : "";
    if (name == "zstandard") return decode::has_zstandard();
    return name == "null" || name == "deflate" || name == "snappy";
}

void s2v_reading_init(s2v_reading *reading) {
    if (!reading) return;
    *reading = {};
    reading->size = sizeof *reading;
    reading->planes = (1U << S2V_CHANNELS) - 1;
    reading->keep_pixels = 1;
    reading->saturation = NAN;
}

s2v_status s2v_reader_open(const s2v_reading *reading, s2v_reader **reader) {
    const s2v_limits limits{sizeof limits, 0, 0, 0, 0};
    return s2v_reader_open_within(reading, &limits, reader);
}

s2v_status s2v_reader_open_within(const s2v_reading *reading, const s2v_limits *limits, s2v_reader **reader) {
    return guarded([&] {
        require(reader, "reader is NULL");
        *reader = nullptr;
        require(reading && limits, "reading or limits");
        *reader = std::make_unique<s2v_reader>(reading_plan(*reading, *limits), *reading).release();
    });
}

s2v_status s2v_reader_open_cutouts(const s2v_cutouts *cutouts, const s2v_reading *reading, s2v_reader **reader) {
    const s2v_limits limits{sizeof limits, 0, 0, 0, 0};
    return s2v_reader_open_cutouts_within(cutouts, reading, &limits, reader);
}

s2v_status s2v_reader_open_cutouts_within(const s2v_cutouts *cutouts, const s2v_reading *reading,
                                          const s2v_limits *limits, s2v_reader **reader) {
    return guarded([&] {
        require(reader, "reader is NULL");
        *reader = nullptr;
        require(reading && limits, "reading or limits");
        S2V_REQUIRE_SIZE(cutouts, s2v_cutouts);
        require(cutouts->n >= 0, "n of the cutouts is negative");
        for (int channel = 0; channel < S2V_CHANNELS; ++channel) {
            if (!cutouts->data[channel]) continue;
            const std::int64_t *const begin = cutouts->begin[channel];
            require(begin && begin[0] >= 0, "begin");
            for (std::int64_t row = 0; row < cutouts->n; ++row) require(begin[row] <= begin[row + 1], "begin falls");
        }
        require_spans(cutouts->object_ids, cutouts->object_end, cutouts->n);
        require_spans(cutouts->publishers, cutouts->publisher_end, cutouts->n);
        decode::ReadingPlan plan;
        require(!takes_catalogue(*reading) || cutouts->catalogue,
                "the model takes columns of the catalogue, of which the table says nothing");
        plan.limits = limits_of(*limits);
        plan.settings = decode_settings(*reading, plan.limits);
        plan.settings.shape.columns = plan.settings.shape.fields = 0;
        plan.book = std::make_shared<decode::SchemaBook>(decode::PacketSelection{});
        plan.threads = reading->threads;
        plan.table = cutouts;
        *reader = std::make_unique<s2v_reader>(std::move(plan), *reading).release();
    });
}

s2v_status s2v_reader_next(s2v_reader *reader, int64_t rows, s2v_batch *batch) {
    const s2v_status fit = guarded([&] {
        require(reader, "reader is NULL");
        S2V_REQUIRE_SIZE(batch, s2v_batch);
        require(rows >= 1, "fewer than one row asked for");
        require(reader->owner.is_current(), "the reader was opened before this process was forked");
    });
    if (fit != S2V_OK) return fit;
    clear(*batch);
    const s2v_status status = guarded([&] {
        reader->message.clear();
        if (reader->out_of_memory) throw std::bad_alloc();
        try {
            reader->pipeline.next(reader->rows, static_cast<std::size_t>(rows), reader->interrupted);
        } catch (const decode::ReadingStopped &) {
            throw Failure(S2V_INTERRUPTED, "interrupted");
        } catch (const decode::InputError &error) {
            reader->message = error.path + ": " + std::strerror(error.number);
            throw Failure(S2V_IO_ERROR, reader->message);
        }
        describe(reader->rows, reader->saturation, reader->problems, *batch);
    });
    // Rows that were given up half way are not to be missed unseen.
    if (status == S2V_OUT_OF_MEMORY) reader->out_of_memory = true;
    if (status != S2V_OK) reader->rows.clear();
    return status;
}

s2v_status s2v_reader_take_pixels(s2v_reader *reader, s2v_pixels *pixels) {
    return guarded([&] {
        require(reader, "reader is NULL");
        S2V_REQUIRE_SIZE(pixels, s2v_pixels);
        clear(*pixels);
        take_pixels(reader->rows, *pixels);
    });
}

void s2v_pixels_release(s2v_pixels *pixels) {
    if (!pixels) return;
    delete static_cast<decode::Room *>(pixels->owner);
    clear(*pixels);
}

const char *s2v_reader_message(const s2v_reader *reader) {
    return reader ? reader->message.c_str() : "";
}

s2v_status s2v_reader_schema_columns(const s2v_reader *reader, int32_t schema, uint8_t *present) {
    return copy_schema_columns(reader, schema, present);
}

s2v_status s2v_reader_schema_fields(const s2v_reader *reader, int32_t schema, uint8_t *kinds) {
    return copy_schema_fields(reader, schema, kinds);
}

s2v_status s2v_reader_schema_paths(const s2v_reader *reader, int32_t schema, char *paths, int64_t capacity,
                                   int64_t *size) {
    return copy_schema_paths(reader, schema, paths, capacity, size);
}

s2v_status s2v_schema_check(const char *schema, char *reason, int64_t capacity, int64_t *size) {
    return guarded([&] {
        require(schema && size && (reason || capacity == 0), "schema, reason or size");
        *size = 0;
        try {
            decode::PacketSchema(schema, {});
        } catch (const decode::SchemaError &error) {
            copy_text(error.reason, reason, capacity, size);
            throw Failure(S2V_BAD_INPUT, error.reason);
        }
    });
}

int64_t s2v_find_field(const char *const *paths, int64_t count, const char *wanted) {
    if (!paths || !wanted || count < 0) return -1;
    try {
        const decode::Paths known(std::vector<std::string>(paths, paths + count));
        const std::string *const found = known.find(wanted);
        return found ? found - known.all().data() : -1;
    } catch (...) {
        return -1;
    }
}

void s2v_reader_close(s2v_reader *reader) {
    // A forked child has none of the threads: what they use is left to them.
    if (reader && !reader->owner.is_current()) return;
    delete reader;
}

}  // extern "C"
