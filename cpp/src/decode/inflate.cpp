#include "decode/inflate.hpp"

#include "decode/gzip_frame.hpp"
#include "decode/inflate_engine.hpp"
#include "isa.hpp"
#include "kernel/inflate_state.hpp"

#include <algorithm>
#include <memory>

namespace s2v::decode {
namespace {

using kernel::InflatePhase;
using kernel::InflateState;
using kernel::InflateStop;

// Read what stands before the deflate stream. False where nothing is to be unpacked: the finding is set.
bool find_body(Stream &stream, Wrapping wrapping, std::size_t &begin) noexcept {
    stream.size = 0;
    stream.used = 0;
    stream.finding = {};
    begin = 0;
    if (wrapping == Wrapping::raw) return true;
    const GzipHeader header = read_gzip_header(stream.packed);
    stream.finding = header.finding;
    begin = header.size;
    return !header.finding;
}

// A deflate stream of `size` bytes of output has ended at `at`: check and count what stands behind it.
void finish(Stream &stream, Wrapping wrapping, std::size_t at, std::size_t size) noexcept {
    stream.size = size;
    stream.used = at;
    if (wrapping == Wrapping::raw) return;
    if (stream.packed.size() - at < kGzipTrailer) {
        stream.finding = {Fault::truncated, stream.packed.size()};
        return;
    }
    const Fault fault = check_gzip_trailer(stream.packed.subspan(at, kGzipTrailer), crc32({stream.out, size}), size);
    if (fault != Fault::none) stream.finding = {fault, at};
    stream.used = at + kGzipTrailer;
}

// A stream that is being unpacked, beside its state.
struct Lane {
    Stream *stream;
    std::size_t begin;  // of the deflate stream
};

void begin(InflateState &state, const Lane &lane) noexcept {
    const Stream &stream = *lane.stream;
    const Bytes body = stream.packed.subspan(lane.begin);
    state.in = body.data();
    state.size = body.size();
    state.at = 0;
    state.begin = stream.out;
    state.out = stream.out;
    state.end = stream.out + stream.capacity;
    state.phase = InflatePhase::head;
}

void settle(const InflateState &state, const Lane &lane, Wrapping wrapping) noexcept {
    Stream &stream = *lane.stream;
    const std::size_t size = static_cast<std::size_t>(state.out - state.begin);
    const std::size_t at = lane.begin + static_cast<std::size_t>((state.at + 7) / 8);
    if (state.stop == InflateStop::ended) return finish(stream, wrapping, at, size);
    stream.size = size;
    stream.finding = {state.stop == InflateStop::needs_input    ? Fault::truncated
                      : state.stop == InflateStop::needs_output ? Fault::too_large
                                                                : Fault::damaged_gzip,
                      at};
}

// The streams take the lanes in turn; one that has stopped makes room for the next.
void unpack_together(std::span<Stream> streams, Wrapping wrapping, const s2v_isa_table &isa, int most) noexcept {
    InflateState states[kMostLanes];
    Lane lanes[kMostLanes];
    int busy = 0;
    std::size_t next = 0;
    const auto take = [&](int place) {
        while (next < streams.size()) {
            lanes[place].stream = &streams[next++];
            if (!find_body(*lanes[place].stream, wrapping, lanes[place].begin)) continue;
            begin(states[place], lanes[place]);
            return true;
        }
        return false;
    };
    while (busy < most && take(busy)) ++busy;
    while (busy > 0) {
        const int stopped = isa.inflate(states, busy);
        for (int place = busy - 1; place >= 0; --place) {
            if (!(stopped >> place & 1)) continue;
            settle(states[place], lanes[place], wrapping);
            if (take(place)) continue;
            --busy;
            if (place == busy) continue;
            states[place] = states[busy];
            lanes[place] = lanes[busy];
        }
    }
}

// The members that follow the first one of a gzip stream, which `one` unpacks each.
template <typename UnpackOne>
void unpack_further(std::span<Stream> streams, const UnpackOne &one) noexcept {
    for (Stream &stream : streams) {
        while (!stream.finding && begins_gzip(stream.packed.subspan(stream.used))) {
            Stream member;
            member.packed = stream.packed.subspan(stream.used);
            member.out = stream.out + stream.size;
            member.capacity = stream.capacity - stream.size;
            one(member);
            stream.finding = {member.finding.fault, member.finding ? stream.used + member.finding.offset : 0};
            stream.size += member.size;
            stream.used += member.used;
        }
    }
}

// Nothing here can unpack.
void refuse(std::span<Stream> streams) noexcept {
    for (Stream &stream : streams) stream.finding = {Fault::unknown_codec, 0};
}

}  // namespace

void unpack_in_lanes(std::span<Stream> streams, Wrapping wrapping, int lanes) noexcept {
    const s2v_isa_table *const isa = active_isa();
    if (!isa) return refuse(streams);
    const int most = std::clamp(lanes, 1, kMostLanes);
    unpack_together(streams, wrapping, *isa, most);
    if (wrapping == Wrapping::gzip)
        unpack_further(streams, [&](Stream &member) { unpack_together({&member, 1}, wrapping, *isa, most); });
}

void unpack(std::span<Stream> streams, Wrapping wrapping) noexcept {
    const InflateEngine engine = active_inflate_engine();
    if (engine == InflateEngine::none) return refuse(streams);
    if (engine == InflateEngine::own) return unpack_in_lanes(streams, wrapping, kMostLanes);

    const std::unique_ptr<ForeignInflate> foreign = make_foreign_inflate(engine);
    const auto unpack_one = [&](Stream &stream) {
        std::size_t begin = 0;
        if (!find_body(stream, wrapping, begin)) return;
        Unpacking result;
        if (foreign) result = foreign->unpack(stream.packed.subspan(begin), {stream.out, stream.capacity});
        if (result.whole)
            finish(stream, wrapping, begin + result.used, result.size);
        else  // our own says what is wrong, and where
            unpack_in_lanes({&stream, 1}, wrapping, 1);
    };
    for (Stream &stream : streams) unpack_one(stream);
    if (wrapping == Wrapping::gzip) unpack_further(streams, unpack_one);
}

}  // namespace s2v::decode
