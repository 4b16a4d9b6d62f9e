// One FITS image behind the C ABI.
#include "checks.hpp"
#include "decode/fits.hpp"
#include "decode/inflate.hpp"

#include <algorithm>
#include <iterator>
#include <memory>

namespace {

using namespace s2v;
using namespace s2v::decode;

// A gzip stream, unpacked.
struct Plain {
    std::unique_ptr<std::uint8_t[]> room;
    Stream stream;

    explicit Plain(Bytes packed) {
        std::size_t capacity = std::clamp(announced_size(packed), std::size_t{1} << 14, kLargestFile);
        for (;;) {
            room = std::make_unique_for_overwrite<std::uint8_t[]>(capacity);
            stream = {};
            stream.packed = packed;
            stream.out = room.get();
            stream.capacity = capacity;
            unpack({&stream, 1}, Wrapping::gzip);
            // The end of the bytes may be something else than the end of the stream.
            if (stream.finding.fault != Fault::too_large || capacity == kLargestFile) return;
            capacity = std::min(4 * capacity, kLargestFile);
        }
    }
    [[nodiscard]] Bytes bytes() const {
        return {room.get(), stream.size};
    }
};

// Where something was wrong: in the gzip stream, or in the file that came out of it.
Finding read(Bytes file, const char *unit, float *pixels, std::int64_t capacity, s2v_image &image) {
    const Image found = find_image(file, unit ? unit : "");
    if (found.finding) return found.finding;
    image.height = found.height;
    image.width = found.width;
    std::copy_n(found.crpix, 2, image.crpix);
    if (!pixels) return {};
    require(std::int64_t{found.height} * found.width <= capacity, "the image has more pixels than there is room for");
    read_pixels(file, found, pixels);
    return {};
}

}  // namespace

extern "C" {

const char *s2v_fault_name(int32_t fault) {
    return fault >= 0 && fault < static_cast<int32_t>(std::size(kFaultNames)) ? kFaultNames[fault] : nullptr;
}

s2v_status s2v_fits_image(const void *bytes, int64_t size, const char *unit, float *pixels, int64_t capacity,
                          s2v_image *image) {
    return guarded([&] {
        S2V_REQUIRE_SIZE(image, s2v_image);
        clear(*image);
        require(size >= 0 && (bytes != nullptr || size == 0), "bytes");
        const Bytes given(static_cast<const std::uint8_t *>(bytes), static_cast<std::size_t>(size));
        Finding finding;
        if (is_gzip(given)) {
            const Plain plain(given);
            finding = plain.stream.finding ? plain.stream.finding : read(plain.bytes(), unit, pixels, capacity, *image);
        } else {
            finding = read(given, unit, pixels, capacity, *image);
        }
        image->fault = static_cast<int32_t>(finding.fault);
        image->fault_offset = finding.offset;
        if (finding) throw Failure(S2V_BAD_INPUT, kFaultNames[image->fault]);
    });
}

}  // extern "C"
