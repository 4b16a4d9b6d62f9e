// Decodes the pieces of a unit to rows: unpacks blocks, walks records, inflates the planes that are needed, converts
// their pixels, measures features, scores, and makes vectors.
#pragma once

#include "cascade.hpp"
#include "decode/fits.hpp"
#include "decode/inflate.hpp"
#include "decode/limits.hpp"
#include "decode/unit.hpp"
#include "isa.hpp"

#include <atomic>
#include <optional>
#include <span>

namespace s2v::decode {

// The bytes to which a cutout unpacks if it is as large as it announces; 0 where it is not packed.
std::size_t announced_capacity(Bytes cutout) noexcept;

// What a decoder computes of each alert.
struct DecodeSettings {
    unsigned planes = 7;        // bit c: plane c is inflated
    unsigned doubt_planes = 0;  // of the others, those of rows whose first score is in doubt
    RowShape shape;
    std::size_t id_bytes = Limits{}.id_bytes;
    kernel::Measuring measuring{};  // sets 0: no features are computed
    s2v_convention convention = S2V_CONVENTION_CODE;
    float saturation = 0;                 // NAN: none
    const s2v_isa_table *isa = nullptr;   // whose features are computed
    const s2v_model *model = nullptr;     // that scores the rows; or null
    const s2v_model *embedder = nullptr;  // a network of their vectors; or null
    // Decodes images in tiles, and its argument; or null.
    decltype(s2v_reading::decode_image) decode_image = nullptr;
    void *context = nullptr;
};

// The decoder of one worker, which keeps its memory from unit to unit.
class Decoder {
public:
    // stopping: ends scoring between two blocks of rows, by ReadingStopped; or null.
    explicit Decoder(const DecodeSettings &settings, const std::atomic<bool> *stopping = nullptr);
    ~Decoder();
    Decoder(const Decoder &) = delete;
    Decoder &operator=(const Decoder &) = delete;
    // Replace the rows of the unit by those of its pieces. Returns false, without rows and without holding memory, if
    // they ask for more memory than there is. Throws ReadingStopped.
    bool decode(Unit &unit);
    // The same, piece by piece: a piece that asks for too much becomes one row with a fault. Throws std::bad_alloc if
    // there is no memory even for that.
    void decode_one_by_one(Unit &unit);

private:
    void decode_pieces(Unit &unit);
    void release_memory(Unit &unit);
    void add_refused_rows(Unit &unit);
    std::string find_long_text(const Unit &unit, const PacketSchema &schema, Alert &alert) const;
    bool spend(const Unit &unit, const Piece &piece, std::size_t bytes);
    struct Cutout {
        std::size_t row;
        int channel;
        Bytes bytes;
        bool packed;
        Stream stream;
    };

    struct Pending {
        Alert alert;
        const Piece *piece;
    };

    void decode_records(Unit &unit, const Piece &piece);
    void end_message(Unit &unit, const Piece &piece, const Unpacked &block, std::size_t at, const Alert *broken,
                     Finding finding);
    static void report_surplus(Rows &rows, const Piece &piece, std::size_t bytes);
    void decode_table(Unit &unit, const Piece &piece);
    std::size_t add_alert(Unit &unit, const Piece &piece, const Place &place, const Alert &alert);
    static void write_ids(Rows &rows, const Alert &alert);
    void add_lost_row(Unit &unit, const Piece &piece, const Place &place, Finding finding, const std::string &detail);
    void refuse_rows(Unit &unit, const Piece &piece, std::size_t first, Finding finding, const std::string &detail);
    void queue_plane(std::size_t row, int channel, Bytes cutout);
    void flush(Unit &unit);
    void inflate(const Unit &unit);
    const Piece &piece_of(const Cutout &cutout) const;
    void read_planes(Unit &unit);
    Finding read_plane(Unit &unit, const Cutout &cutout, Bytes file);
    void read_doubtful_planes(Unit &unit, std::span<const std::int64_t> doubtful);
    void finish_rows(Unit &unit);
    [[nodiscard]] s2v_stamps stamps_of(const Rows &rows) const noexcept;
    void score_rows(Unit &unit);
    void score_block(Unit &unit, std::int64_t begin, std::int64_t end, const CandidateData &known);

    DecodeSettings settings_;
    const std::atomic<bool> *stopping_;
    void *scratch_ = nullptr;
    bool model_measured_ = false;     // the model uses the features that the rows have
    bool embedder_measured_ = false;  // and so does the network of vectors
    bool prepared_once_ = false;      // the network of vectors takes what is prepared for the model
    std::optional<BlockScorer> scorer_;
    std::optional<BlockScorer> embedder_;
    std::vector<Cutout> pending_;
    std::size_t pending_rows_begin_ = 0;
    std::size_t pending_bytes_ = 0;
    std::vector<Stream> streams_;
    std::vector<Pending> alerts_;    // whose cutouts are pending, one a row
    std::vector<double> reference_;  // (pending rows, 2)
    std::vector<std::vector<std::uint8_t>> retried_;
    std::vector<std::uint64_t> allowance_left_;  // of the allowance of each piece
    Buffer<std::uint8_t> arena_;
    std::vector<std::uint8_t> block_;
    std::vector<Field> fields_;
    std::vector<double> columns_;
    std::vector<std::uint8_t> present_;  // of a table's fields
};

}  // namespace s2v::decode
