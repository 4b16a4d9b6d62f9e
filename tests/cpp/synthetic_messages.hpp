// Messages in memory, and a decoder of them.
#pragma once

#include "check.hpp"
#include "space2vec/space2vec.hpp"
#include "synthetic_packets.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace synthetic {

// The number of the schema in the header of a message.
inline constexpr std::uint32_t kSchema = 900;

inline Octets joined(Octets first, const Octets &second) {
    first.insert(first.end(), second.begin(), second.end());
    return first;
}

inline Octets cut(const Octets &bytes, std::size_t size) {
    return {bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)};
}

// Messages as the C ABI takes them.
struct Messages {
    std::vector<const void *> at;
    std::vector<std::int64_t> size;

    explicit Messages(const std::vector<Octets> &messages) {
        for (const Octets &message : messages) {
            at.push_back(message.data());
            size.push_back(static_cast<std::int64_t>(message.size()));
        }
    }
    [[nodiscard]] std::int64_t count() const {
        return static_cast<std::int64_t>(at.size());
    }
};

// A decoder that knows the schema of the messages.
struct Decoder {
    s2v_decoder *c = nullptr;

    explicit Decoder(const s2v_reading &reading) {
        CHECK(s2v_decoder_create(&reading, &c) == S2V_OK);
        CHECK(s2v_decoder_add_schema(c, kSchema, kPacketSchema.c_str()) == S2V_OK);
    }
    ~Decoder() {
        s2v_decoder_free(c);
    }
    s2v_batch decode(const Messages &messages) {
        auto batch = s2v::sized<s2v_batch>();
        CHECK(s2v_decode_messages(c, messages.at.data(), messages.size.data(), messages.count(), &batch) == S2V_OK);
        CHECK(batch.stamps.n == messages.count());
        return batch;
    }
};

// A reading with the default options.
inline s2v_reading plain() {
    s2v_reading reading;
    s2v_reading_init(&reading);
    return reading;
}

}  // namespace synthetic
