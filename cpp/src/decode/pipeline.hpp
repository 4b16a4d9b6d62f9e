// The pipeline: one thread reads ahead and cuts, workers decode, the caller takes batches of rows in the input's order.
// Workers run ahead of the caller by a bounded number of bytes, so that they do not wait while it uses a batch.
#pragma once

#include "decode/decoder.hpp"
#include "decode/framer.hpp"

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <shared_mutex>
#include <thread>

namespace s2v::decode {

// The inputs of a pipeline and how it reads them.
struct ReadingPlan {
    std::vector<Source> sources;
    std::shared_ptr<SchemaBook> book;
    MessageSchemas messages;             // which the book keeps
    const s2v_cutouts *table = nullptr;  // instead of sources
    DecodeSettings settings;
    Limits limits;
    int threads = 0;  // 0: one a core
    Start start;
    std::int64_t skip_rows = 0;  // of the block at which reading begins
};

class Pipeline : UnitExchange {
public:
    explicit Pipeline(ReadingPlan plan);
    ~Pipeline() override;

    // Replace `batch` by the next rows, at most `most`; none at the end. Throws InputError and std::bad_alloc once all
    // rows before the failure have been returned. `interrupted` (or none) is asked ten times a second while rows are
    // waited for; where it says so, throws ReadingStopped.
    void next(Rows &batch, std::size_t most, const std::function<bool()> &interrupted);

    [[nodiscard]] const SchemaBook &schemas() const noexcept {
        return *plan_.book;
    }

private:
    Unit *take_empty() override;
    void submit(Unit *unit) override;
    void wait_until_decoded() override;
    void frame();
    void cut_table();
    void work();
    void decode(Decoder &decoder, Unit &unit);
    void deliver(Unit *unit);
    std::unique_ptr<Rows> next_rows(const std::function<bool()> &interrupted);
    std::size_t rows_that_fit(const Rows &batch, std::size_t end) const;
    void recycle(std::unique_ptr<Rows> rows);
    void stop() noexcept;

    const ReadingPlan plan_;
    std::size_t most_units_;

    std::shared_mutex memory_;  // whoever needs more than there is waits until the others hold less
    std::mutex lock_;
    std::condition_variable for_framer_, for_workers_, for_caller_;
    std::vector<std::unique_ptr<Unit>> units_;
    std::vector<Unit *> free_;
    std::deque<Unit *> waiting_;                           // for a worker
    std::map<std::uint64_t, std::unique_ptr<Rows>> done_;  // by the number of the unit
    std::vector<std::unique_ptr<Rows>> free_rows_;
    std::size_t ahead_ = 0;  // bytes in done_
    std::uint64_t handed_over_ = 0;
    std::uint64_t decoded_ = 0;
    std::uint64_t delivered_ = 0;
    bool ended_ = false;
    std::exception_ptr failure_;  // what ended the framer, or a worker
    bool worker_failed_ = false;

    std::unique_ptr<Rows> current_;  // the caller's
    std::size_t current_at_ = 0;
    std::int64_t to_skip_;
    std::vector<std::thread> threads_;
};

}  // namespace s2v::decode
