// Pixels in 16 bits behind the C ABI.
#include "packing.hpp"
#include "threads.hpp"

#include <atomic>

namespace {

using namespace s2v;

constexpr std::int64_t kPackingBlock = 1 << 14;

// Packs pixels; returns whether all are exact.
bool pack(kernel::Packing how, const float *pixels, std::int64_t n, std::uint16_t *packed) {
    std::uint32_t other = 0;
    for (std::int64_t i = 0; i < n; ++i) {
        packed[i] = kernel::packed_pixel(pixels[i], how);
        other |= kernel::is_same_pixel(kernel::widened_pixel(packed[i], how), pixels[i]) ? 0U : 1U;
    }
    return other == 0;
}

void check_pixels(const void *from, const void *to, std::int64_t n, std::int32_t threads) {
    require(n >= 0, "n");
    require(n == 0 || (from && to), "null pointer");
    require(threads >= 0, "threads");
}

}  // namespace

extern "C" {

s2v_status s2v_pack_pixels(const s2v_packing *how, const float *pixels, int64_t n, int32_t only_exact, uint16_t *packed,
                           int32_t *exact, int32_t threads) {
    return guarded([&] {
        const kernel::Packing checked = packing_of(how);
        check_pixels(pixels, packed, n, threads);
        require(exact, "null pointer");
        std::atomic<bool> all = true;
        parallel_for(n, kPackingBlock, threads, [&](std::int64_t begin, std::int64_t end) {
            if (only_exact && !all.load(std::memory_order_relaxed)) return;
            if (!pack(checked, pixels + begin, end - begin, packed + begin))
                all.store(false, std::memory_order_relaxed);
        });
        *exact = all.load() ? 1 : 0;
    });
}

s2v_status s2v_widen_pixels(const s2v_packing *how, const uint16_t *packed, int64_t n, float *pixels, int32_t threads) {
    return guarded([&] {
        const kernel::Packing checked = packing_of(how);
        check_pixels(packed, pixels, n, threads);
        parallel_for(n, kPackingBlock, threads, [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t i = begin; i < end; ++i) pixels[i] = kernel::widened_pixel(packed[i], checked);
        });
    });
}

}  // extern "C"
