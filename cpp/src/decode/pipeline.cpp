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

Pipeline::Pipeline(ReadingPlan plan)
    : plan_(std::move(plan)), most_units_(2 * worker_count(plan_.threads) + 4), to_skip_(plan_.skip_rows) {
    try {
        // Nothing may fail between the start of a thread and its place among them.
        threads_.reserve(std::size_t{worker_count(plan_.threads)} + 1);
        for (unsigned i = 0; i < worker_count(plan_.threads); ++i) {
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

Unit *Pipeline::take_empty() {
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

void Pipeline::submit(Unit *unit) {
    {
        const std::lock_guard<std::mutex> hold(lock_);
        unit->number = handed_over_++;
        waiting_.push_back(unit);
    }
    for_workers_.notify_one();
}

void Pipeline::wait_until_decoded() {
    std::unique_lock<std::mutex> hold(lock_);
    for_framer_.wait(hold, [this] { return stopping || decoded_ == handed_over_; });
    if (stopping) throw ReadingStopped();
}

void Pipeline::frame() {
    std::exception_ptr failure;
    try {
        if (plan_.table)
            cut_table();
        else
            Framer(plan_.sources, plan_.messages, *plan_.book, plan_.start, plan_.limits, *this).run();
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
    for (std::int64_t row = 0; row < plan_.table->n; row += kTableRows) {
        Unit *const unit = take_empty();
        unit->bytes.clear();
        unit->pieces.clear();
        // A piece a row: what a row asks for is not taken from its neighbours.
        for (std::int64_t at = row; at < std::min(row + kTableRows, plan_.table->n); ++at) {
            Piece &piece = unit->pieces.emplace_back();
            piece.table = plan_.table;
            piece.records = 1;
            piece.place.record = at;
            piece.allowance = kFreeOfRow;
            for (int channel = 0; channel < S2V_CHANNELS; ++channel) {
                if (!plan_.table->data[channel]) continue;
                const std::int64_t *const begin = plan_.table->begin[channel];
                piece.allowance += announced_capacity(
                    {plan_.table->data[channel] + begin[at], static_cast<std::size_t>(begin[at + 1] - begin[at])});
            }
        }
        submit(unit);
    }
}

void Pipeline::work() {
    try {
        Decoder decoder(plan_.settings, &stopping);
        for (;;) {
            Unit *unit = nullptr;
            {
                std::unique_lock<std::mutex> hold(lock_);
                // Far ahead of the caller, only what it waits for is decoded.
                for_workers_.wait(hold, [this] {
                    if (stopping || (ended_ && waiting_.empty())) return true;
                    return !waiting_.empty() && (ahead_ < kAhead || waiting_.front()->number == delivered_);
                });
                if (stopping || waiting_.empty()) return;
                unit = waiting_.front();
                waiting_.pop_front();
            }
            decode(decoder, *unit);
            deliver(unit);
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
        const std::shared_lock<std::shared_mutex> shared(memory_);
        if (decoder.decode(unit)) return;
    }
    const std::lock_guard<std::shared_mutex> alone(memory_);
    decoder.decode_one_by_one(unit);
}

// Put the unit's rows where the caller finds them, and let the unit be filled again.
void Pipeline::deliver(Unit *unit) {
    {
        const std::lock_guard<std::mutex> hold(lock_);
        std::unique_ptr<Rows> rows;
        if (free_rows_.empty()) {
            rows = std::make_unique<Rows>();
        } else {
            rows = std::move(free_rows_.back());
            free_rows_.pop_back();
        }
        std::swap(*rows, unit->rows);
        // Where pixels are let go, their room is wanted for the next unit, not by what waits.
        if (!plan_.settings.shape.pixels) std::swap(rows->pixels, unit->rows.pixels);
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
        const auto at_end = [this] { return ended_ && delivered_ == handed_over_; };
        while (!for_caller_.wait_for(hold, kPatience,
                                     [&] { return worker_failed_ || at_end() || done_.contains(delivered_); })) {
            if (!interrupted) continue;
            hold.unlock();
            if (interrupted()) throw ReadingStopped();
            hold.lock();
        }
        if (worker_failed_ || (at_end() && failure_)) std::rethrow_exception(failure_);
        if (at_end()) return nullptr;
        const auto found = done_.find(delivered_++);
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
    if (free_rows_.size() < most_units_) free_rows_.push_back(std::move(rows));
}

// Where the rows end, before `end`, whose pixels the batch still takes; of a batch without rows one is given always.
std::size_t Pipeline::rows_that_fit(const Rows &batch, std::size_t end) const {
    const Rows &rows = *current_;
    std::size_t bytes = batch.pixels.size() * sizeof(float);
    end = std::min(end, rows.count());
    if (bytes + rows.pixels.size() * sizeof(float) <= plan_.limits.batch_bytes) return end;
    for (std::size_t row = current_at_; row < end; ++row) {
        for (std::size_t at = row * S2V_CHANNELS; at < (row + 1) * S2V_CHANNELS; ++at)
            if (rows.offset[at] >= 0)
                bytes += static_cast<std::size_t>(rows.size[2 * at]) * rows.size[2 * at + 1] * sizeof(float);
        if (bytes > plan_.limits.batch_bytes && (batch.count() > 0 || row > current_at_)) return row;
    }
    return end;
}

void Pipeline::next(Rows &batch, std::size_t most, const std::function<bool()> &interrupted) {
    batch.shape = plan_.settings.shape;
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
        const std::size_t end = rows_that_fit(batch, current_at_ + most - batch.count());
        if (end == current_at_ && end < current_->count()) return;  // else there is nothing in it, or nothing is left
        batch.append(*current_, current_at_, end);
        current_at_ = end;
        if (end == current_->count()) {
            recycle(std::move(current_));
        }
    }
}

}  // namespace s2v::decode
