// A gzip file piece by piece.
#include "decode/gzip_frame.hpp"
#include "decode/inflate.hpp"
#include "isa.hpp"
#include "kernel/inflate_state.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

namespace s2v::decode {
namespace {

using kernel::InflatePhase;
using kernel::InflateState;
using kernel::InflateStop;

constexpr std::size_t kWindow = std::size_t{1} << 15;  // how far back a match may reach
constexpr std::size_t kRoom = std::size_t{1} << 17;    // for unpacked bytes, the window among them
constexpr std::size_t kHeld = std::size_t{1} << 17;    // packed bytes that are held; a header must fit

}  // namespace

struct Gunzip::State {
    enum class Part : std::uint8_t { header, body, trailer, padding, ended };

    const s2v_isa_table *isa = active_isa();
    InflateState inflate{};
    std::vector<std::uint8_t> held = std::vector<std::uint8_t>(kHeld);
    std::vector<std::uint8_t> room = std::vector<std::uint8_t>(kRoom);
    std::size_t begin = 0;          // of what is left of `held`
    std::size_t end = 0;            // of `held`
    std::uint64_t before = 0;       // bytes of the file before held[0]
    std::uint8_t *given = nullptr;  // what is before it has been handed out
    Part part = Part::header;
    std::uint32_t crc = 0;
    std::uint64_t size = 0;
    Finding finding;

    [[nodiscard]] Bytes left() const {
        return Bytes(held).subspan(begin, end - begin);
    }

    // Hold more packed bytes; how many.
    std::size_t hold(Bytes packed) {
        if (begin > 0) {
            std::memmove(held.data(), held.data() + begin, end - begin);
            before += begin;
            end -= begin;
            begin = 0;
        }
        const std::size_t taken = std::min(packed.size(), held.size() - end);
        std::copy_n(packed.begin(), taken, held.begin() + static_cast<std::ptrdiff_t>(end));
        end += taken;
        return taken;
    }

    void find(Fault fault, std::size_t offset) {
        finding = {fault, static_cast<std::size_t>(before) + offset};
        part = Part::ended;
    }

    void begin_member(std::size_t header) {
        begin += header;
        crc = 0;
        size = 0;
        part = Part::body;
        inflate.at = 0;
        inflate.phase = InflatePhase::head;
        inflate.begin = inflate.out = given = room.data();
        inflate.end = room.data() + room.size();
    }

    // Decode into the room; true where more packed bytes are asked for.
    bool run_body() {
        if (static_cast<std::size_t>(inflate.end - inflate.out) < kWindow && given == inflate.out) {
            const std::size_t keep =
                std::min<std::size_t>(kWindow, static_cast<std::size_t>(inflate.out - room.data()));
            std::memmove(room.data(), inflate.out - keep, keep);
            inflate.out = given = room.data() + keep;
        }
        std::uint8_t *const from = inflate.out;
        inflate.in = held.data() + begin;
        inflate.size = end - begin;
        isa->inflate(&inflate, 1);
        const std::size_t made = static_cast<std::size_t>(inflate.out - from);
        crc = crc32({from, made}, crc);
        size += made;
        // Whole bytes that are done with go; `at` counts from the first that is left.
        const std::size_t bytes = static_cast<std::size_t>(inflate.at / 8);
        begin += bytes;
        inflate.at %= 8;
        switch (inflate.stop) {
            case InflateStop::ended:
                if (inflate.at > 0) ++begin;
                part = Part::trailer;
                break;
            case InflateStop::needs_input:
                return true;
            case InflateStop::damaged:
                find(Fault::damaged_gzip, begin);
                break;
            default:
                break;
        }
        return false;
    }

    // Go on with what is held; true where more packed bytes are asked for.
    bool run() {
        switch (part) {
            case Part::padding:
                while (begin < end && held[begin] == 0) ++begin;
                if (begin == end) return true;
                part = Part::header;
                break;
            case Part::header: {
                const GzipHeader header = read_gzip_header(left());
                if (!header.finding)
                    begin_member(header.size);
                else if (header.finding.fault == Fault::truncated && end - begin < held.size())
                    return true;
                else
                    find(Fault::damaged_gzip, begin + header.finding.offset);
                break;
            }
            case Part::body:
                return run_body();
            case Part::trailer:
                if (end - begin < kGzipTrailer) return true;
                if (check_gzip_trailer(left().first(kGzipTrailer), crc, size) != Fault::none) {
                    find(Fault::checksum, begin);
                    break;
                }
                begin += kGzipTrailer;
                part = Part::padding;
                break;
            case Part::ended:
                break;
        }
        return false;
    }
};

Gunzip::Gunzip() : state_(std::make_unique<State>()) {
    if (state_->isa == nullptr) state_->find(Fault::unknown_codec, 0);
}
Gunzip::~Gunzip() = default;
Gunzip::Gunzip(Gunzip &&) noexcept = default;
Gunzip &Gunzip::operator=(Gunzip &&) noexcept = default;

Gunzip::Step Gunzip::step(Bytes packed, std::span<std::uint8_t> out, bool last) {
    State &s = *state_;
    Step step;
    for (;;) {
        const std::size_t waiting = static_cast<std::size_t>(s.inflate.out - s.given);
        const std::size_t handed = std::min(waiting, out.size() - step.written);
        std::copy_n(s.given, handed, out.data() + step.written);
        s.given += handed;
        step.written += handed;
        if (handed < waiting) return step;
        if (s.part == State::Part::ended) {
            step.ended = !s.finding;
            step.finding = s.finding;
            return step;
        }
        if (s.part == State::Part::body && step.written == out.size() && !out.empty()) return step;
        if (!s.run()) continue;
        const std::size_t taken = s.hold(packed.subspan(step.used));
        step.used += taken;
        if (taken > 0) continue;
        if (s.inflate.out != s.given) continue;  // first hand out what there is
        if (!last) return step;
        if (s.part == State::Part::padding)
            s.part = State::Part::ended;
        else
            s.find(Fault::truncated, s.end);
    }
}

}  // namespace s2v::decode
