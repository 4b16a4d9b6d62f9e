// A warp on the CPU: 32 fibers that run a kernel one after the other, each from one rendezvous to the next.
//
// A lane goes as far as it can before the next one starts, so a kernel that lacks a sync() gives other bits here. Under
// the thread sanitizer the fibers are threads that only sync() orders, as on a device: what races there is reported.
#pragma once

#include "kernel/lane_team.hpp"

#include <ucontext.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <functional>
#include <memory>
#include <vector>

#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#define S2V_UNSEEN __attribute__((no_sanitize("thread"), noinline))
#else
#define S2V_UNSEEN
#endif

class FiberWarp {
public:
    static constexpr int kLanes = s2v::kernel::kLanes;

    // Runs `body` on every lane. `ascending`: lane 0 goes first. False if the lanes did not make the same calls.
    template <class Body>
    S2V_UNSEEN bool run(bool ascending, Body body);

    class Lanes {
    public:
        explicit Lanes(FiberWarp *warp, int index) : warp_(warp), index_(index) {}
        int index() const {
            return index_;
        }
        template <class T>
        S2V_UNSEEN T across(T x, int bit) const {
            return warp_->exchange(index_, x, index_ ^ bit);
        }
        template <class T>
        S2V_UNSEEN T from(T x, int lane) const {
            return warp_->exchange(index_, x, lane);
        }
        S2V_UNSEEN std::uint32_t ballot(bool x) const {
            std::uint32_t bits = 0;
            const auto &slot = warp_->share(index_, x);
            for (std::size_t lane = 0; lane < slot.size(); ++lane) bits |= slot[lane] ? 1u << lane : 0u;
            return bits;
        }
        S2V_UNSEEN int total(int x) const {
            std::uint64_t sum = 0;
            for (const std::uint64_t one : warp_->share(index_, x)) sum += one;
            return static_cast<int>(sum);
        }
        // As a device does (kernel/matrix_tiles.hpp says who holds what).
        S2V_UNSEEN void multiply_add(std::int32_t (&sum)[4], const std::uint32_t (&a)[4],
                                     const std::uint32_t (&b)[2]) const {
            Slots left[4];
            Slots right[2];
            for (std::size_t i = 0; i < 4; ++i) left[i] = warp_->share(index_, a[i]);
            for (std::size_t i = 0; i < 2; ++i) right[i] = warp_->share(index_, b[i]);
            const auto group = static_cast<std::size_t>(index_ / 4);
            const auto member = static_cast<std::size_t>(index_ % 4);
            for (std::size_t i = 0; i < 4; ++i) {
                const std::size_t column = 2 * member + i % 2;
                std::int32_t product = 0;
                for (std::size_t word = 0; word < 8; ++word) {
                    const std::uint64_t x = left[i / 2 + word / 4 * 2][4 * group + word % 4];
                    const std::uint64_t w = right[word / 4][4 * column + word % 4];
                    for (int byte = 0; byte < 32; byte += 8)
                        product += static_cast<std::uint8_t>(x >> byte) * static_cast<std::int8_t>(w >> byte);
                }
                sum[i] += product;
            }
        }
        std::int32_t add_lower(std::int32_t sum, std::uint32_t x, std::uint32_t w) const {
            return sum + static_cast<std::int16_t>(x) * static_cast<std::int8_t>(w) +
                   static_cast<std::int16_t>(x >> 16) * static_cast<std::int8_t>(w >> 8);
        }
        std::int32_t add_upper(std::int32_t sum, std::uint32_t x, std::uint32_t w) const {
            return add_lower(sum, x, w >> 16);
        }
        float *room() const {
            return warp_->room_.data();
        }
        void sync() const {
            warp_->barrier(index_);
        }

    private:
        FiberWarp *warp_;
        int index_;
    };

private:
    using Slots = std::array<std::uint64_t, kLanes>;

    // Gives x to all and returns what all gave. Two sets take turns, so that one may be read while the next is filled.
    template <class T>
    S2V_UNSEEN const Slots &share(int lane, T x) {
        const std::size_t turn = calls_[static_cast<std::size_t>(lane)]++;
        Slots &slots = slots_[turn % 2];
        slots[static_cast<std::size_t>(lane)] = 0;
        std::memcpy(&slots[static_cast<std::size_t>(lane)], &x, sizeof x);
        next();
        return slots;
    }
    template <class T>
    S2V_UNSEEN T exchange(int lane, T x, int from) {
        T got;
        std::memcpy(&got, &share(lane, x)[static_cast<std::size_t>(from)], sizeof got);
        return got;
    }
    void barrier(int lane);
    void next();
    static void enter();

    std::array<Slots, 2> slots_{};
    std::array<float, s2v::kernel::kRoom> room_{};
    std::array<std::size_t, kLanes> calls_{};
    std::array<std::size_t, kLanes> barriers_{};
    std::array<char, 2> tag_{};
    std::array<ucontext_t, kLanes> fiber_{};
    std::array<std::unique_ptr<char[]>, kLanes> stack_;
    std::array<void *, kLanes> handle_{};
    ucontext_t home_{};
    void *home_handle_ = nullptr;
    int running_ = 0;
    bool ascending_ = true;
    std::function<void(Lanes)> body_;
    static inline FiberWarp *entered_ = nullptr;
};

// To the next lane in turn.
S2V_UNSEEN inline void FiberWarp::next() {
    const auto from = static_cast<std::size_t>(running_);
    running_ = (running_ + 1) % kLanes;
    const auto to = static_cast<std::size_t>(running_);
#if defined(__SANITIZE_THREAD__)
    __tsan_switch_to_fiber(handle_[to], __tsan_switch_to_fiber_no_sync);
#endif
    swapcontext(&fiber_[from], &fiber_[to]);
}

S2V_UNSEEN inline void FiberWarp::barrier(int lane) {
    [[maybe_unused]] const std::size_t turn = barriers_[static_cast<std::size_t>(lane)]++;
#if defined(__SANITIZE_THREAD__)
    __tsan_release(&tag_[turn % 2]);
#endif
    share(lane, 0);
#if defined(__SANITIZE_THREAD__)
    __tsan_acquire(&tag_[turn % 2]);
#endif
}

S2V_UNSEEN inline void FiberWarp::enter() {
    FiberWarp &warp = *entered_;
    const int lane = warp.ascending_ ? warp.running_ : kLanes - 1 - warp.running_;
    warp.body_(Lanes(&warp, lane));
    warp.barrier(lane);
    const auto from = static_cast<std::size_t>(warp.running_);
    if (++warp.running_ == kLanes) {
#if defined(__SANITIZE_THREAD__)
        __tsan_switch_to_fiber(warp.home_handle_, 0);
#endif
        swapcontext(&warp.fiber_[from], &warp.home_);
    }
    const auto to = static_cast<std::size_t>(warp.running_);
#if defined(__SANITIZE_THREAD__)
    __tsan_switch_to_fiber(warp.handle_[to], __tsan_switch_to_fiber_no_sync);
#endif
    swapcontext(&warp.fiber_[from], &warp.fiber_[to]);
}

template <class Body>
S2V_UNSEEN bool FiberWarp::run(bool ascending, Body body) {
    constexpr std::size_t bytes = std::size_t{1} << 18;
    body_ = body;
    ascending_ = ascending;
    calls_ = {};
    barriers_ = {};
    running_ = 0;
    entered_ = this;
    for (std::size_t i = 0; i < fiber_.size(); ++i) {
        if (!stack_[i]) stack_[i] = std::make_unique<char[]>(bytes);
        getcontext(&fiber_[i]);
        fiber_[i].uc_stack.ss_sp = stack_[i].get();
        fiber_[i].uc_stack.ss_size = bytes;
        fiber_[i].uc_link = nullptr;
        makecontext(&fiber_[i], &FiberWarp::enter, 0);
#if defined(__SANITIZE_THREAD__)
        handle_[i] = __tsan_create_fiber(0);
#endif
    }
#if defined(__SANITIZE_THREAD__)
    home_handle_ = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(handle_[0], 0);
#endif
    swapcontext(&home_, &fiber_[0]);
    bool alike = true;
    for (std::size_t i = 0; i < fiber_.size(); ++i) {
        alike = alike && calls_[i] == calls_[0] && barriers_[i] == barriers_[0];
#if defined(__SANITIZE_THREAD__)
        __tsan_destroy_fiber(handle_[i]);
#endif
    }
    return alike;
}
