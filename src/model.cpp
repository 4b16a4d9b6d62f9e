// space2vec._core.Model: arguments in, pointers out.
#include "model.hpp"

#include "register.hpp"
#include "stamps.hpp"

#include <pybind11/stl.h>

#include <algorithm>
#include <chrono>

namespace py = pybind11;

namespace {

// What is known of stamps beside their pixels, kept while it is used.
class StampData {
public:
    StampData(const py::object &stamps, const std::optional<Column<float>> &catalogue, std::int64_t n)
        : raised_(raised_flags(stamps, n)),
          view_{sizeof view_, catalogue ? catalogue->data() : nullptr, raised_.data()} {
        if (catalogue && catalogue->size() != n * S2V_CATALOGUE_COLUMNS)
            throw std::invalid_argument("catalogue must have shape (n, 20)");
    }
    [[nodiscard]] const s2v_catalogue &view() const noexcept {
        return view_;
    }

private:
    Column<std::uint32_t> raised_;
    s2v_catalogue view_;
};

// Rows [begin, end) of stamps.
s2v_stamps part_of(const s2v_stamps &stamps, std::int64_t begin, std::int64_t end) {
    s2v_stamps part = stamps;
    part.n = end - begin;
    part.offset += begin * S2V_CHANNELS;
    part.shape += begin * S2V_CHANNELS * 2;
    if (part.centre != nullptr) part.centre += begin * 2;
    return part;
}

s2v_catalogue part_of(const s2v_catalogue &known, std::int64_t begin) {
    s2v_catalogue part = known;
    if (part.values != nullptr) part.values += begin * S2V_CATALOGUE_COLUMNS;
    if (part.raised != nullptr) part.raised += begin;
    return part;
}

// A scorer for the time of a call.
class Lent {
public:
    Lent(IdleScorers &idle, const s2v_model *model, int threads)
        : idle_(idle), threads_(threads), scorer_(idle.take(model, threads)) {}
    ~Lent() {
        idle_.give_back(scorer_, threads_);
    }
    Lent(const Lent &) = delete;
    Lent &operator=(const Lent &) = delete;
    [[nodiscard]] s2v_scorer *get() const noexcept {
        return scorer_;
    }

private:
    IdleScorers &idle_;
    int threads_;
    s2v_scorer *scorer_;
};

template <class T>
T *from(T *array, std::int64_t begin) {
    return array == nullptr ? nullptr : array + begin;
}

// Does n rows by calls of work(begin, end) without the interpreter's lock, and looks between two calls whether the
// program was interrupted: by a signal it ends within some tenths of a second, however slow the model is. Raises what
// the signal's handler raises.
template <class Work>
void in_turns(std::int64_t n, int threads, const char *what, Work work) {
    using Clock = std::chrono::steady_clock;
    constexpr std::chrono::milliseconds kShort{25}, kLong{100};
    std::int64_t rows = 16 * std::int64_t{std::max(threads, 1)};
    std::int64_t begin = 0;
    do {  // of no row too: a call that cannot run says so
        const std::int64_t end = std::min(n, begin + rows);
        const Clock::time_point start = Clock::now();
        s2v_status status = S2V_OK;
        {
            const py::gil_scoped_release release;
            status = work(begin, end);
        }
        check(status, what);
        begin = end;
        if (begin < n && PyErr_CheckSignals() != 0) throw py::error_already_set();
        const Clock::duration spent = Clock::now() - start;
        rows *= spent < kShort ? 8 : spent < kLong ? 2 : 1;
    } while (begin < n);
}

}  // namespace

IdleScorers::~IdleScorers() {
    forget_those_of_another_process();
    const py::gil_scoped_release release;
    for (const Idle &idle : idle_) s2v_scorer_free(idle.scorer);
}

// A forked child has none of their threads, and could not wait for them: their memory is left.
void IdleScorers::forget_those_of_another_process() noexcept {
    const pid_t here = getpid();
    if (here == owner_) return;
    owner_ = here;
    idle_.clear();
    threads_ = 0;
}

s2v_scorer *IdleScorers::take(const s2v_model *model, int threads) {
    {
        const std::lock_guard<std::mutex> hold(lock_);
        forget_those_of_another_process();
        const auto found =
            std::find_if(idle_.rbegin(), idle_.rend(), [threads](const Idle &idle) { return idle.threads == threads; });
        if (found != idle_.rend()) {
            s2v_scorer *const scorer = found->scorer;
            idle_.erase(std::next(found).base());
            threads_ -= threads;
            return scorer;
        }
    }
    s2v_scorer_options options;
    s2v_scorer_options_init(&options);
    options.threads = threads;
    s2v_scorer *made = nullptr;
    check(s2v_scorer_create(model, &options, &made), "Model.score");
    return made;
}

void IdleScorers::give_back(s2v_scorer *scorer, int threads) {
    // As many threads wait as could ever work at a time, or those of one scorer.
    const int most = std::max(threads, 2 * s2v_usable_cores());
    std::vector<Idle> surplus;
    {
        const std::lock_guard<std::mutex> hold(lock_);
        forget_those_of_another_process();
        idle_.push_back({scorer, threads});
        threads_ += threads;
        while (threads_ > most) {
            surplus.push_back(idle_.front());
            threads_ -= idle_.front().threads;
            idle_.erase(idle_.begin());
        }
    }
    if (surplus.empty()) return;
    const py::gil_scoped_release release;
    for (const Idle &idle : surplus) s2v_scorer_free(idle.scorer);
}

Model::Model(const py::bytes &file) {
    const auto view = static_cast<std::string_view>(file);
    s2v_model *made = nullptr;
    s2v_status status = S2V_OK;
    {
        const py::gil_scoped_release release;
        status = s2v_model_from_memory(view.data(), static_cast<std::int64_t>(view.size()), &made);
    }
    check(status, "Model");
    model_.reset(made);
    needs_.size = sizeof needs_;
    check(s2v_model_needs(made, &needs_), "Model");
}

void Model::check_inputs(const std::optional<Column<float>> &planes, const std::optional<Column<float>> &columns,
                         py::ssize_t n) const {
    if ((planes ? planes->size() : 0) != n * plane_pixels() || (columns ? columns->size() : 0) != n * needs_.columns)
        throw std::invalid_argument("planes and columns must be what the model takes, (n, ...)");
}

void Model::check_vectors(const Column<std::int8_t> &vectors, py::ssize_t n) const {
    if (vectors.ndim() != 2 || vectors.shape(0) != n || (needs_.vector > 0 && vectors.shape(1) != needs_.vector))
        throw std::invalid_argument("vectors must have shape (n, numbers of the model's vectors)");
}

void Model::predict(const std::optional<Column<float>> &planes, const std::optional<Column<float>> &columns,
                    Column<float> &score, int threads) const {
    const py::ssize_t n = score.size();
    check_inputs(planes, columns, n);
    const float *const seen = planes ? planes->data() : nullptr;
    const float *const known = columns ? columns->data() : nullptr;
    float *const out = score.mutable_data();
    in_turns(n, threads, "Model.predict", [&](std::int64_t begin, std::int64_t end) {
        return s2v_model_predict(model_.get(), from(seen, begin * plane_pixels()), from(known, begin * needs_.columns),
                                 end - begin, out + begin, threads);
    });
}

void Model::predict_vectors(const std::optional<Column<float>> &planes, const std::optional<Column<float>> &columns,
                            Column<std::int8_t> &vectors, int threads) const {
    const py::ssize_t n = vectors.ndim() > 0 ? vectors.shape(0) : 0;
    check_vectors(vectors, n);
    check_inputs(planes, columns, n);
    const float *const seen = planes ? planes->data() : nullptr;
    const float *const known = columns ? columns->data() : nullptr;
    std::int8_t *const out = vectors.mutable_data();
    in_turns(n, threads, "Model.predict_vectors", [&](std::int64_t begin, std::int64_t end) {
        return s2v_model_predict_vectors(model_.get(), from(seen, begin * plane_pixels()),
                                         from(known, begin * needs_.columns), end - begin, out + begin * needs_.vector,
                                         threads);
    });
}

template <class Work>
void Model::over_stamps(const py::object &given, const std::optional<Column<float>> &catalogue, py::ssize_t n,
                        int threads, const char *what, Work work) const {
    const StampArrays arrays(given);
    const s2v_stamps &stamps = arrays.view();
    if (n != stamps.n) throw std::invalid_argument("the results must have shape (n, ...)");
    const StampData known(given, catalogue, stamps.n);
    const int workers = stamps.n > 1 ? threads : 1;
    const Lent scorer(idle_, model_.get(), workers);
    in_turns(stamps.n, workers, what, [&](std::int64_t begin, std::int64_t end) {
        const s2v_stamps part = part_of(stamps, begin, end);
        const s2v_catalogue beside = part_of(known.view(), begin);
        return work(scorer.get(), part, beside, begin);
    });
}

void Model::score(const py::object &stamps, const std::optional<Column<float>> &catalogue, Column<float> &score,
                  Column<std::uint32_t> &flags, int threads) const {
    if (score.size() != flags.size()) throw std::invalid_argument("score and flags must have shape (n,)");
    float *const out = score.mutable_data();
    std::uint32_t *const bits = flags.mutable_data();
    over_stamps(stamps, catalogue, score.size(), threads, "Model.score",
                [&](s2v_scorer *scorer, const s2v_stamps &part, const s2v_catalogue &beside, std::int64_t row) {
                    return s2v_score_stamps(scorer, &part, &beside, out + row, bits + row);
                });
}

void Model::embed(const py::object &stamps, const std::optional<Column<float>> &catalogue, Column<std::int8_t> &vectors,
                  Column<std::uint32_t> &flags, int threads) const {
    check_vectors(vectors, flags.size());
    std::int8_t *const out = vectors.mutable_data();
    std::uint32_t *const bits = flags.mutable_data();
    over_stamps(stamps, catalogue, flags.size(), threads, "Model.embed",
                [&](s2v_scorer *scorer, const s2v_stamps &part, const s2v_catalogue &beside, std::int64_t row) {
                    return s2v_embed_stamps(scorer, &part, &beside, out + row * needs_.vector, bits + row);
                });
}

template <class Work>
void Model::over_frames(const FieldArrays &field, const std::optional<Column<float>> &catalogue,
                        const Column<std::uint32_t> &raised, int threads, const char *what, Work work) const {
    const std::int64_t n = field.n();
    if (raised.size() != n) throw std::invalid_argument("raised must have shape (n,)");
    if (catalogue && catalogue->size() != n * S2V_CATALOGUE_COLUMNS)
        throw std::invalid_argument("catalogue must have shape (n, 20)");
    const s2v_catalogue known = {sizeof known, catalogue ? catalogue->data() : nullptr, raised.data()};
    const int workers = n > 1 ? threads : 1;
    const Lent scorer(idle_, model_.get(), workers);
    in_turns(n, workers, what, [&](std::int64_t begin, std::int64_t end) {
        const s2v_catalogue beside = part_of(known, begin);
        return work(scorer.get(), beside, begin, end - begin);
    });
}

void Model::score_frames(const FieldArrays &field, const std::optional<Column<float>> &catalogue,
                         const Column<std::uint32_t> &raised, Column<float> &score, Column<std::uint32_t> &flags,
                         int threads) const {
    if (score.size() != field.n() || flags.size() != field.n())
        throw std::invalid_argument("score and flags must have shape (n,)");
    float *const out = score.mutable_data();
    std::uint32_t *const bits = flags.mutable_data();
    over_frames(field, catalogue, raised, threads, "Model.score_frames",
                [&](s2v_scorer *scorer, const s2v_catalogue &beside, std::int64_t row, std::int64_t n) {
                    return s2v_score_frames(scorer, field.science(), field.reference(), field.difference(), n,
                                            field.x() + row, field.y() + row, &beside, out + row, bits + row);
                });
}

void Model::embed_frames(const FieldArrays &field, const std::optional<Column<float>> &catalogue,
                         const Column<std::uint32_t> &raised, Column<std::int8_t> &vectors,
                         Column<std::uint32_t> &flags, int threads) const {
    if (flags.size() != field.n()) throw std::invalid_argument("flags must have shape (n,)");
    check_vectors(vectors, flags.size());
    std::int8_t *const out = vectors.mutable_data();
    std::uint32_t *const bits = flags.mutable_data();
    over_frames(field, catalogue, raised, threads, "Model.embed_frames",
                [&](s2v_scorer *scorer, const s2v_catalogue &beside, std::int64_t row, std::int64_t n) {
                    return s2v_embed_frames(scorer, field.science(), field.reference(), field.difference(), n,
                                            field.x() + row, field.y() + row, &beside, out + row * needs_.vector,
                                            bits + row);
                });
}

void Model::check_table(const Column<float> &columns, py::ssize_t n) const {
    if (columns.ndim() != 2 || columns.shape(0) != n || columns.shape(1) != needs_.columns)
        throw std::invalid_argument("columns must have shape (n, columns of the model)");
}

void Model::score_columns(const Column<float> &columns, const Column<std::uint32_t> &raised, Column<float> &score,
                          Column<std::uint32_t> &flags, int threads) const {
    const py::ssize_t n = score.size();
    check_table(columns, n);
    if (raised.size() != n || flags.size() != n) throw std::invalid_argument("raised and flags must have shape (n,)");
    const float *const rows = columns.data();
    const std::uint32_t *const seen = raised.data();
    float *const out = score.mutable_data();
    std::uint32_t *const bits = flags.mutable_data();
    in_turns(n, threads, "Model.score_columns", [&](std::int64_t begin, std::int64_t end) {
        return s2v_score_columns(model_.get(), rows + begin * needs_.columns, seen + begin, end - begin, out + begin,
                                 bits + begin, threads);
    });
}

void Model::check_columns(const Column<float> &columns, const Column<std::uint32_t> &raised,
                          Column<std::uint32_t> &flags, Column<bool> &scored) const {
    const py::ssize_t n = scored.size();
    check_table(columns, n);
    if (raised.size() != n || flags.size() != n) throw std::invalid_argument("raised and flags must have shape (n,)");
    check(s2v_check_columns(model_.get(), columns.data(), raised.data(), n, flags.mutable_data(),
                            reinterpret_cast<std::uint8_t *>(scored.mutable_data())),
          "Model.check_columns");
}

void Model::inputs(const py::object &given, const std::optional<Column<float>> &catalogue,
                   std::optional<Column<float>> &planes, std::optional<Column<float>> &columns,
                   Column<std::uint32_t> &flags, Column<bool> &scored, int threads) const {
    const StampArrays arrays(given);
    const s2v_stamps &stamps = arrays.view();
    const StampData known(given, catalogue, stamps.n);
    if ((planes && planes->size() != stamps.n * plane_pixels()) ||
        (columns && columns->size() != stamps.n * needs_.columns) || flags.size() != stamps.n ||
        scored.size() != stamps.n)
        throw std::invalid_argument(
            "planes and columns must be (n, ...) as the model takes them, flags and scored (n,)");
    float *const plane_rows = planes ? planes->mutable_data() : nullptr;
    float *const column_rows = columns ? columns->mutable_data() : nullptr;
    std::uint32_t *const bits = flags.mutable_data();
    auto *const whether = reinterpret_cast<std::uint8_t *>(scored.mutable_data());
    in_turns(stamps.n, threads, "Model.inputs", [&](std::int64_t begin, std::int64_t end) {
        const s2v_stamps part = part_of(stamps, begin, end);
        const s2v_catalogue beside = part_of(known.view(), begin);
        return s2v_model_inputs(model_.get(), &part, &beside, from(plane_rows, begin * plane_pixels()),
                                from(column_rows, begin * needs_.columns), bits + begin, whether + begin, threads);
    });
}

void register_model(py::module_ &module) {
    py::class_<Model, std::shared_ptr<Model>>(module, "Model")
        .def(py::init<const py::bytes &>(), py::arg("file"))
        .def_property_readonly("header", &Model::header)
        .def_property_readonly("runs", &Model::runs)
        .def("predict", &Model::predict, py::arg("planes").noconvert().none(true),
             py::arg("columns").noconvert().none(true), py::arg("score").noconvert(), py::arg("threads"))
        .def_property_readonly("vector", &Model::vector)
        .def("predict_vectors", &Model::predict_vectors, py::arg("planes").noconvert().none(true),
             py::arg("columns").noconvert().none(true), py::arg("vectors").noconvert(), py::arg("threads"))
        .def("embed", &Model::embed, py::arg("stamps"), py::arg("catalogue").noconvert().none(true),
             py::arg("vectors").noconvert(), py::arg("flags").noconvert(), py::arg("threads"))
        .def("embed_frames", &Model::embed_frames, py::arg("field"), py::arg("catalogue").noconvert().none(true),
             py::arg("raised").noconvert(), py::arg("vectors").noconvert(), py::arg("flags").noconvert(),
             py::arg("threads"))
        .def("score", &Model::score, py::arg("stamps"), py::arg("catalogue").noconvert().none(true),
             py::arg("score").noconvert(), py::arg("flags").noconvert(), py::arg("threads"))
        .def("score_frames", &Model::score_frames, py::arg("field"), py::arg("catalogue").noconvert().none(true),
             py::arg("raised").noconvert(), py::arg("score").noconvert(), py::arg("flags").noconvert(),
             py::arg("threads"))
        .def("score_columns", &Model::score_columns, py::arg("columns").noconvert(), py::arg("raised").noconvert(),
             py::arg("score").noconvert(), py::arg("flags").noconvert(), py::arg("threads"))
        .def("check_columns", &Model::check_columns, py::arg("columns").noconvert(), py::arg("raised").noconvert(),
             py::arg("flags").noconvert(), py::arg("scored").noconvert())
        .def("inputs", &Model::inputs, py::arg("stamps"), py::arg("catalogue").noconvert().none(true),
             py::arg("planes").noconvert().none(true), py::arg("columns").noconvert().none(true),
             py::arg("flags").noconvert(), py::arg("scored").noconvert(), py::arg("threads"));
}
