// What readers of files and of messages share: what they are told by Python, and pixels on their way there.
#pragma once

#include "arrays.hpp"
#include "batch.hpp"
#include "model.hpp"
#include "space2vec/limits.h"
#include "space2vec/space2vec.hpp"

#include <pybind11/stl.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <tuple>

namespace py = pybind11;

// Called by the reader while it waits: has Python a signal to handle? Its handler may have raised.
inline int32_t has_pending_signal(void * /*context*/) {
    const py::gil_scoped_acquire hold;
    return PyErr_CheckSignals() != 0;
}

// A function of Python that decodes the images which the library leaves to others.
class ImageDecoder {
public:
    explicit ImageDecoder(py::object decode) : decode_(std::move(decode)) {}

    void serve(s2v_reading &reading) {
        if (decode_.is_none()) return;
        reading.decode_image = &ImageDecoder::call;
        reading.context = this;
    }

private:
    // By a worker. Nothing that Python raises may pass.
    static int32_t call(void *context, const void *file, std::int64_t size, int32_t height, int32_t width,
                        float *pixels) {
        if (finalizing()) return 1;
        const py::gil_scoped_acquire hold;
        try {
            const py::bytes bytes(static_cast<const char *>(file), static_cast<std::size_t>(size));
            const auto image =
                py::cast<py::array_t<float, py::array::c_style>>(static_cast<ImageDecoder *>(context)->decode_(bytes));
            if (image.ndim() != 2 || image.shape(0) != height || image.shape(1) != width) return 1;
            std::memcpy(pixels, image.data(), static_cast<std::size_t>(image.nbytes()));
            return 0;
        } catch (const std::exception &) {
            return 1;
        }
    }

    static bool finalizing() {
#if PY_VERSION_HEX >= 0x030D0000
        return Py_IsFinalizing() != 0;
#else
        return _Py_IsFinalizing() != 0;
#endif
    }

    py::object decode_;
};

// The pixels of a batch, which an array looks at; they may outlive their reader.
class Pixels {
public:
    explicit Pixels(const s2v_pixels &held) : held_(held) {}
    Pixels(const Pixels &) = delete;
    Pixels &operator=(const Pixels &) = delete;
    ~Pixels() {
        // In a forked child memory of a device's driver is not there, and another thread's lock stays locked.
        if (getpid() == owner_) s2v_pixels_release(&held_);
    }

    bool allocated() const {
        return held_.allocated != 0;
    }

private:
    pid_t owner_ = getpid();
    s2v_pixels held_;
};

// Pixels that were taken over, as an array that gives them back.
inline py::array_t<float> as_array(const s2v_pixels &held) {
    if (held.pixel_count == 0) return py::array_t<float>(0);
    return py::array_t<float>(static_cast<py::ssize_t>(held.pixel_count), held.pixels,
                              py::cast(std::make_unique<Pixels>(held)));
}

// As in s2v_limits: of an id and of a batch's pixels in bytes, and what any file may have, rows and bytes.
using Limits = std::tuple<std::int64_t, std::int64_t, std::int64_t, std::int64_t>;

inline s2v_limits limits_of(const Limits &limits) {
    return {sizeof(s2v_limits), std::get<0>(limits), std::get<1>(limits), std::get<2>(limits), std::get<3>(limits)};
}

// Addresses of what s2v_allocator has: allocate, release, context.
using Memory = std::optional<std::tuple<std::uintptr_t, std::uintptr_t, std::uintptr_t>>;

inline std::optional<s2v_allocator> allocator_of(const Memory &memory) {
    if (!memory) return std::nullopt;
    const auto &[allocate, release, context] = *memory;
    return s2v_allocator{sizeof(s2v_allocator), reinterpret_cast<decltype(s2v_allocator::allocate)>(allocate),
                         reinterpret_cast<decltype(s2v_allocator::release)>(release),
                         reinterpret_cast<void *>(context)};
}

inline s2v_reading reading_of(std::uint32_t planes, bool pixels, std::int32_t sets, std::int32_t convention,
                              float saturation, int threads, const std::optional<s2v_allocator> &allocator,
                              const Model *model, const Model *embedder, bool catalogue) {
    s2v_reading reading;
    s2v_reading_init(&reading);
    reading.planes = planes;
    reading.keep_pixels = pixels;
    reading.sets = sets;
    reading.convention = convention;
    reading.saturation = saturation;
    reading.threads = threads;
    reading.interrupted = has_pending_signal;
    reading.allocator = allocator ? &*allocator : nullptr;
    reading.model = model ? model->c() : nullptr;
    reading.embedder = embedder ? embedder->c() : nullptr;
    reading.catalogue = catalogue;
    return reading;
}

// A text of the library's, asked for its size first.
template <typename Copy>
std::string text_of(Copy copy) {
    std::int64_t size = 0;
    copy(nullptr, 0, &size);
    std::string text(static_cast<std::size_t>(size), '\0');
    copy(text.data(), size, &size);
    return text;
}

// What kinds of values a schema has at the fields that were asked for, a byte each, bits as in s2v_value_kind. `ask` is
// s2v_reader_schema_fields or s2v_decoder_schema_fields.
template <typename Owner>
py::bytes schema_fields(s2v_status (*ask)(const Owner *, std::int32_t, std::uint8_t *), const Owner *owner,
                        std::int32_t schema, std::size_t fields) {
    std::string kinds(fields, '\0');
    check(ask(owner, schema, reinterpret_cast<std::uint8_t *>(kinds.data())), "schema_fields");
    return kinds;
}

// The paths that lead to single values of a schema, by s2v_reader_schema_paths or s2v_decoder_schema_paths.
template <typename Owner>
py::list schema_paths(s2v_status (*ask)(const Owner *, std::int32_t, char *, std::int64_t, std::int64_t *),
                      const Owner *owner, std::int32_t schema) {
    const std::string lines = text_of([&](char *to, std::int64_t capacity, std::int64_t *size) {
        check(ask(owner, schema, to, capacity, size), "schema_paths");
    });
    return decode_text(lines.data(), lines.size()).attr("splitlines")();
}
