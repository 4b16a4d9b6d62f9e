// space2vec._core.Model.
#pragma once

#include "arrays.hpp"
#include "frames.hpp"

#include <pybind11/pybind11.h>
#include <sys/types.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

// Scorers of a model that wait for their next call: none is made anew for a number of threads that was asked for
// before.
class IdleScorers {
public:
    IdleScorers() = default;
    IdleScorers(const IdleScorers &) = delete;
    IdleScorers &operator=(const IdleScorers &) = delete;
    ~IdleScorers();

    // Raises ValueError where the model cannot score stamps.
    s2v_scorer *take(const s2v_model *model, int threads);
    void give_back(s2v_scorer *scorer, int threads);

private:
    struct Idle {
        s2v_scorer *scorer;
        int threads;
    };
    void forget_those_of_another_process() noexcept;

    std::mutex lock_;
    std::vector<Idle> idle_;  // the last used last
    int threads_ = 0;         // of all
    pid_t owner_ = getpid();
};

class Model {
public:
    // Raises ValueError, with the reason, where the file is damaged.
    explicit Model(const pybind11::bytes &file);

    [[nodiscard]] const s2v_model *c() const noexcept {
        return model_.get();
    }
    [[nodiscard]] bool runs() const noexcept {
        return needs_.runs != 0;
    }
    // Numbers of the vector that it gives; 0: it gives scores.
    [[nodiscard]] std::int32_t vector() const noexcept {
        return needs_.vector;
    }
    [[nodiscard]] std::string header() const {
        return s2v_model_header(model_.get());
    }

    void predict(const std::optional<Column<float>> &planes, const std::optional<Column<float>> &columns,
                 Column<float> &score, int threads) const;
    // vectors: (n, vector), of this and of the calls below.
    void predict_vectors(const std::optional<Column<float>> &planes, const std::optional<Column<float>> &columns,
                         Column<std::int8_t> &vectors, int threads) const;
    void score(const pybind11::object &stamps, const std::optional<Column<float>> &catalogue, Column<float> &score,
               Column<std::uint32_t> &flags, int threads) const;
    // raised: (n) what the reader saw.
    void score_frames(const FieldArrays &field, const std::optional<Column<float>> &catalogue,
                      const Column<std::uint32_t> &raised, Column<float> &score, Column<std::uint32_t> &flags,
                      int threads) const;
    void embed(const pybind11::object &stamps, const std::optional<Column<float>> &catalogue,
               Column<std::int8_t> &vectors, Column<std::uint32_t> &flags, int threads) const;
    void embed_frames(const FieldArrays &field, const std::optional<Column<float>> &catalogue,
                      const Column<std::uint32_t> &raised, Column<std::int8_t> &vectors, Column<std::uint32_t> &flags,
                      int threads) const;
    void score_columns(const Column<float> &columns, const Column<std::uint32_t> &raised, Column<float> &score,
                       Column<std::uint32_t> &flags, int threads) const;
    void check_columns(const Column<float> &columns, const Column<std::uint32_t> &raised, Column<std::uint32_t> &flags,
                       Column<bool> &scored) const;
    void inputs(const pybind11::object &stamps, const std::optional<Column<float>> &catalogue,
                std::optional<Column<float>> &planes, std::optional<Column<float>> &columns,
                Column<std::uint32_t> &flags, Column<bool> &scored, int threads) const;

private:
    struct Free {
        void operator()(s2v_model *model) const noexcept {
            s2v_model_free(model);
        }
    };
    [[nodiscard]] pybind11::ssize_t plane_pixels() const noexcept {
        return pybind11::ssize_t{needs_.shape[0]} * needs_.shape[1] * needs_.shape[2];
    }
    void check_table(const Column<float> &columns, pybind11::ssize_t n) const;
    void check_vectors(const Column<std::int8_t> &vectors, pybind11::ssize_t n) const;
    void check_inputs(const std::optional<Column<float>> &planes, const std::optional<Column<float>> &columns,
                      pybind11::ssize_t n) const;
    // Calls work(scorer, stamps, catalogue, first row) for some rows after others, as s2v_score_stamps takes them.
    template <class Work>
    void over_stamps(const pybind11::object &stamps, const std::optional<Column<float>> &catalogue, pybind11::ssize_t n,
                     int threads, const char *what, Work work) const;
    template <class Work>
    void over_frames(const FieldArrays &field, const std::optional<Column<float>> &catalogue,
                     const Column<std::uint32_t> &raised, int threads, const char *what, Work work) const;

    std::unique_ptr<s2v_model, Free> model_;
    s2v_needs needs_{};
    mutable IdleScorers idle_;  // the last: they use the model
};
