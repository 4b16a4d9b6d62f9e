#include "decode/pipeline.hpp"

#include "cores.hpp"
#include "thread_start.hpp"

#include <algorithm>
#include <chrono>

namespace s2v::decode {
namespace {

// Bytes of rows that wait for the caller: some thousand stamps, or a hundred thousand rows of features.
constexpr std::size_t kAhead = std::size_t{48} << 20;
// Between questions whether the caller is interrupted.
constexpr std::chrono::milliseconds kPatience{100};
// Pixels of rows that are kept for the next use.
constexpr std::size_t kKeptPixels = std::size_t{1} << 20;
// Rows of a table that one worker takes at a time.
constexpr std::int64_t kTableRows = 32;
// Bytes that the cutouts of one row may unpack to beyond what they announce.
constexpr std::uint64_t kFreeOfRow = std::uint64_t{1} << 20;

unsigned worker_count(int threads) {
    return static_cast<unsigned>(workers_for(threads));
}

}  // namespace

Pipeline::Pipeline(Order order)
    : order_(std::move(order)), most_units_(2 * worker_count(order_.threads) + 4), to_skip_(order_.skip_rows) {
    try {
        // Nothing may fail between the start of a thread and its place among them.
        threads_.reserve(std::size_t{worker_count(order_.threads)} + 1);
        for (unsigned i = 0; i < worker_count(order_.threads); ++i) {
            try {
                threads_.push_back(start_thread([this] { work(); }));
            } catch (const std::system_error &) {
                if (threads_.empty()) throw;
                break;  // no more threads to be had: the work is done with those there are
            }
        }
        threads_.push_back(start_thread([this] { frame(); }));
    } catch (...) {
        stop();
        throw;
    }
}

Pipeline::~Pipeline() {
    stop();
}

void Pipeline::stop() noexcept {
    {
        const std::lock_guard<std::mutex> hold(lock_);
        stopping = true;
    }
    for_framer_.notify_all();
    for_workers_.notify_all();
    for (std::thread &thread : threads_) thread.join();
}

Unit *Pipeline::empty() {
    std::unique_lock<std::mutex> hold(lock_);
    for_framer_.wait(
        hold, [this] { return stopping || (ahead_ < kAhead && (!free_.empty() || units_.size() < most_units_)); });
    if (stopping) throw ReadingStopped();
    if (free_.empty()) {
        units_.push_back(std::make_unique<Unit>());
        return units_.back().get();
    }
    Unit *const unit = free_.back();
    free_.pop_back();
    return unit;
}

void Pipeline::full(Unit *unit) {
    {
        const std::lock_guard<std::mutex> hold(lock_);
        unit->number = handed_over_++;
        waiting_.push_back(unit);
    }
    for_workers_.notify_one();
}

void Pipeline::settle() {
    std::unique_lock<std::mutex> hold(lock_);
    for_framer_.wait(hold, [this] { return stopping || decoded_ == handed_over_; });
    if (stopping) throw ReadingStopped();
}

void Pipeline::frame() {
    std::exception_ptr failure;
    try {
        if (order_.table)
            cut_table();
        else
            Framer(order_.sources, order_.messages, *order_.book, order_.start, order_.limits, *this).run();
    } catch (const ReadingStopped &) {
        return;
    } catch (...) {
        failure = std::current_exception();
    }
    {
        const std::lock_guard<std::mutex> hold(lock_);
        ended_ = true;
        if (failure && !failure_) failure_ = failure;
    }
    for_workers_.notify_all();
    for_caller_.notify_one();
}

void Pipeline::cut_table() {
    for (std::int64_t row = 0; row < order_.table->n; row += kTableRows) {
        Unit *const unit = empty();
        unit->bytes.clear();
        unit->pieces.clear();
        // A piece a row: what a row asks for is not taken from its neighbours.
        for (std::int64_t at = row; at < std::min(row + kTableRows, order_.table->n); ++at) {
            Piece &piece = unit->pieces.emplace_back();
            piece.table = order_.table;
            piece.records = 1;
            piece.place.record = at;
            piece.allowance = kFreeOfRow;
            for (int channel = 0; channel < S2V_CHANNELS; ++channel) {
                if (!order_.table->data[channel]) continue;
                const std::int64_t *const begin = order_.table->begin[channel];
                piece.allowance += announced_capacity(
                    {order_.table->data[channel] + begin[at], static_cast<std::size_t>(begin[at + 1] - begin[at])});
            }
        }
        full(unit);
    }
}

void Pipeline::work() {
    try {
        Decoder decoder(order_.wish, &stopping);
        for (;;) {
            Unit *unit = nullptr;
            {
                std::unique_lock<std::mutex> hold(lock_);
                // Far ahead of the caller, only what it waits for is decoded.
                for_workers_.wait(hold, [this] {
                    if (stopping || (ended_ && waiting_.empty())) return true;
                    return !waiting_.empty() && (ahead_ < kAhead || waiting_.front()->number == given_);
                });
                if (stopping || waiting_.empty()) return;
                unit = waiting_.front();
                waiting_.pop_front();
            }
            decode(decoder, *unit);
            finished(unit);
        }
    } catch (...) {
        {
            const std::lock_guard<std::mutex> hold(lock_);
            failure_ = std::current_exception();
            worker_failed_ = true;
        }
        for_caller_.notify_one();
    }
}

// Where memory does not suffice, the unit is decoded once more when no other one is, a piece after the other: a file
// that asks for too much is not to cost those beside it their rows.
void Pipeline::decode(Decoder &decoder, Unit &unit) {
    {
        const std::shared_lock<std::shared_mutex> beside(memory_);
        if (decoder.decode(unit)) return;
    }
    const std::lock_guard<std::shared_mutex> alone(memory_);
    decoder.decode_one_by_one(unit);
}

// Put the unit's rows where the caller finds them, and let the unit be filled again.
void Pipeline::finished(Unit *unit) {
    {
        const std::lock_guard<std::mutex> hold(lock_);
        std::unique_ptr<Rows> rows;
        if (spare_.empty()) {
            rows = std::make_unique<Rows>();
        } else {
            rows = std::move(spare_.back());
            spare_.pop_back();
        }
        std::swap(*rows, unit->rows);
        // Where pixels are let go, their room is wanted for the next unit, not by what waits.
        if (!order_.wish.shape.pixels) std::swap(rows->pixels, unit->rows.pixels);
        ahead_ += rows->bytes();
        done_.emplace(unit->number, std::move(rows));
        free_.push_back(unit);
        ++decoded_;
    }
    for_caller_.notify_one();
    for_framer_.notify_one();
}

// The next rows in the input's order, or null at its end.
std::unique_ptr<Rows> Pipeline::next_rows(const std::function<bool()> &interrupted) {
    std::unique_ptr<Rows> rows;
    {
        std::unique_lock<std::mutex> hold(lock_);
        const auto all_given = [this] { return ended_ && given_ == handed_over_; };
        while (!for_caller_.wait_for(hold, kPatience,
                                     [&] { return worker_failed_ || all_given() || done_.contains(given_); })) {
            if (!interrupted) continue;
            hold.unlock();
            if (interrupted()) throw ReadingStopped();
            hold.lock();
        }
        if (worker_failed_ || (all_given() && failure_)) std::rethrow_exception(failure_);
        if (all_given()) return nullptr;
        const auto found = done_.find(given_++);
        rows = std::move(found->second);
        done_.erase(found);
        ahead_ -= rows->bytes();
    }
    for_framer_.notify_one();
    for_workers_.notify_all();
    return rows;
}

void Pipeline::recycle(std::unique_ptr<Rows> rows) {
    rows->clear();
    rows->pixels.trim(kKeptPixels);
    const std::lock_guard<std::mutex> hold(lock_);
    if (spare_.size() < most_units_) spare_.push_back(std::move(rows));
}

// Where the rows end, before `end`, whose pixels the batch still takes; of a batch without rows one is given always.
std::size_t Pipeline::fitting(const Rows &batch, std::size_t end) const {
    const Rows &rows = *current_;
    std::size_t bytes = batch.pixels.size() * sizeof(float);
    end = std::min(end, rows.count());
    if (bytes + rows.pixels.size() * sizeof(float) <= order_.limits.batch_bytes) return end;
    for (std::size_t row = current_at_; row < end; ++row) {
        for (std::size_t at = row * S2V_CHANNELS; at < (row + 1) * S2V_CHANNELS; ++at)
            if (rows.offset[at] >= 0)
                bytes += static_cast<std::size_t>(rows.size[2 * at]) * rows.size[2 * at + 1] * sizeof(float);
        if (bytes > order_.limits.batch_bytes && (batch.count() > 0 || row > current_at_)) return row;
    }
    return end;
}

void Pipeline::next(Rows &batch, std::size_t most, const std::function<bool()> &interrupted) {
    batch.shape = order_.wish.shape;
    batch.clear();
    while (batch.count() < most) {
        if (!current_) {
            try {
                current_ = next_rows(interrupted);
            } catch (const ReadingStopped &) {
                throw;
            } catch (...) {
                // What came before is given first; the failure is met again by the next call.
                if (batch.count() == 0) throw;
                return;
            }
            if (!current_) return;
            current_at_ = static_cast<std::size_t>(
                std::min<std::int64_t>(to_skip_, static_cast<std::int64_t>(current_->count())));
            to_skip_ -= static_cast<std::int64_t>(current_at_);
        }
        const std::size_t end = fitting(batch, current_at_ + most - batch.count());
        if (end == current_at_ && end < current_->count()) return;  // else there is nothing in it, or nothing is left
        batch.append(*current_, current_at_, end);
        current_at_ = end;
        if (end == current_->count()) {
            recycle(std::move(current_));
        }
    }
}

}  // namespace s2v::decode
