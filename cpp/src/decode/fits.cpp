#include "decode/fits.hpp"

#include "decode/fits_card.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

namespace s2v::decode {
namespace {

constexpr std::size_t kBlockSize = 2880;
constexpr std::int64_t kMostAxes = 999;
constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();

std::int64_t product(std::int64_t a, std::int64_t b) noexcept {
    return a != 0 && b > kMost / a ? kMost : a * b;
}

std::int64_t sum(std::int64_t a, std::int64_t b) noexcept {
    return a > kMost - b ? kMost : a + b;
}

// The sizes along the axes, whose cards may stand in any order.
class Axes {
public:
    // Of two cards of one axis the first counts.
    void set(int axis, std::int64_t size) noexcept {
        std::uint64_t &word = set_[axis / 64];
        const std::uint64_t bit = std::uint64_t{1} << (axis % 64);
        if ((word & bit) == 0) size_[axis] = size;
        word |= bit;
    }
    [[nodiscard]] bool has(std::int64_t axis) const noexcept {
        return (set_[axis / 64] >> (axis % 64) & 1) != 0;
    }
    [[nodiscard]] std::int64_t operator[](std::int64_t axis) const noexcept {
        return size_[axis];
    }

private:
    std::int64_t size_[kMostAxes + 1];  // only what is set; from 1
    std::uint64_t set_[kMostAxes / 64 + 1] = {};
};

// Two axes of an image, counted from 1.
struct Pair {
    std::int64_t width = 0;  // 0: there are fewer than two, or more
    std::int64_t height = 0;
};

// Which two axes count: those of one pixel are left out, the last ones first, until two remain.
Pair two_axes(const Axes &sizes, std::int64_t naxis) noexcept {
    std::int64_t left = naxis;
    Pair pair;
    for (std::int64_t axis = naxis; axis >= 1; --axis) {
        if (left > 2 && sizes[axis] == 1)
            --left;
        else if (pair.height == 0)
            pair.height = axis;
        else if (pair.width == 0)
            pair.width = axis;
        else
            return {};
    }
    return pair;
}

// A unit: a header and the data after it.
struct Unit {
    bool has_pixels = false;  // it is a two-dimensional image, and not empty
    bool is_tiled = false;    // its image is compressed in tiles
    bool has_name = false;    // EXTNAME is the name that was asked for
    std::int64_t height = 0;
    std::int64_t width = 0;
    Image image;            // without height and width
    Finding bad_value;      // of a card that only the pixels need
    std::int64_t size = 0;  // of the data in bytes, without padding; at most kMost
    Finding finding;        // the header cannot be read, or not the size of what follows it
};

// Reads the header of one unit.
class HeaderReader {
public:
    HeaderReader(Bytes file, std::size_t begin, std::string_view name) noexcept
        : file_(file), begin_(begin), name_(name) {}

    Unit read() noexcept {
        unit_.image.crpix[0] = unit_.image.crpix[1] = std::nan("");
        for (at_ = begin_; !ended_; at_ += kCardSize) {
            if (file_.size() - at_ < kCardSize) return fail(Fault::truncated, file_.size());
            if (!take(read_card(file_.data() + at_))) return fail(Fault::damaged_fits, at_);
        }
        unit_.image.begin = begin_ + (at_ - begin_ + kBlockSize - 1) / kBlockSize * kBlockSize;
        at_ -= kCardSize;
        if (!seen(kBitpix) || !seen(kNaxis)) return fail(Fault::damaged_fits, at_);
        for (std::int64_t axis = 1; axis <= naxis_; ++axis)
            if (!axes_.has(axis)) return fail(Fault::damaged_fits, at_);
        measure();
        return unit_;
    }

private:
    // Cards that count once; of two the first counts.
    enum Once : unsigned {
        kBitpix = 1,
        kNaxis = 2,
        kPcount = 4,
        kGcount = 8,
        kScale = 16,
        kZero = 32,
        kBlank = 64,
        kName = 128,
        kColumn = 256,
        kRow = 512,
        kGroups = 1024,
        kTiles = 2048,
        kTiledNaxis = 4096,
    };

    [[nodiscard]] bool seen(Once card) const noexcept {
        return (seen_ & card) != 0;
    }
    bool first(Once card) noexcept {
        const bool is_first = !seen(card);
        seen_ |= card;
        return is_first;
    }

    Unit fail(Fault fault, std::size_t offset) noexcept {
        unit_.finding = {fault, offset};
        return unit_;
    }

    // False where the header is damaged at this card.
    bool take(const Card &card) noexcept {
        Image &image = unit_.image;
        std::int64_t number = 0;
        bool truth = false;
        switch (card.keyword) {
            case 0:
                return false;
            case keyword("SIMPLE"):
                // F, a file that breaks the standard somewhere, is not held against it.
                return at_ == begin_ && read_logical(card, truth);
            case keyword("XTENSION"):
                is_image_ = is_text(card, "IMAGE");
                is_extension_ = true;
                return at_ == begin_;
            case keyword("ZIMAGE"):
                if (first(kTiles)) has_tiles_ = is_extension_ && !is_image_ && read_logical(card, truth) && truth;
                return true;
            case keyword("ZNAXIS"):
                if (first(kTiledNaxis) && !(read_integer(card, tiled_naxis_) && tiled_naxis_ <= kMostAxes))
                    tiled_naxis_ = 0;
                return true;
            case keyword("BITPIX"):
                if (!first(kBitpix)) return true;
                if (!read_integer(card, number)) return false;
                image.bitpix = static_cast<std::int32_t>(number);
                return number == 8 || number == 16 || number == 32 || number == 64 || number == -32 || number == -64;
            case keyword("NAXIS"):
                return !first(kNaxis) || (read_integer(card, naxis_) && naxis_ >= 0 && naxis_ <= kMostAxes);
            case keyword("PCOUNT"):
                return !first(kPcount) || (read_integer(card, parameters_) && parameters_ >= 0);
            case keyword("GCOUNT"):
                return !first(kGcount) || (read_integer(card, group_count_) && group_count_ >= 0);
            case keyword("GROUPS"):
                if (first(kGroups)) is_groups_ = read_logical(card, truth) && truth;
                return true;
            case keyword("BSCALE"):
                if (first(kScale) && !read_real(card, image.scale)) spoil();
                return true;
            case keyword("BZERO"):
                if (first(kZero) && !read_real(card, image.zero)) spoil();
                return true;
            case keyword("BLANK"):
                if (first(kBlank)) take_blank(card);
                return true;
            case keyword("EXTNAME"):
                if (first(kName) && !name_.empty()) unit_.has_name = is_text(card, name_);
                return true;
            case keyword("CRPIX1"):
                if (first(kColumn) && !read_real(card, image.crpix[1])) image.crpix[1] = std::nan("");
                return true;
            case keyword("CRPIX2"):
                if (first(kRow) && !read_real(card, image.crpix[0])) image.crpix[0] = std::nan("");
                return true;
            default:
                break;
        }
        if (const int axis = axis_of(card.keyword)) {
            if (!read_integer(card, number) || number < 0) return false;
            axes_.set(axis, number);
        } else if (is_extension_ && !is_image_) {
            if (const int tiled = tiled_axis_of(card.keyword); tiled && read_integer(card, number) && number > 0)
                tiled_axes_.set(tiled, number);
        }
        ended_ = is_end();
        return true;
    }

    // A number that no pixel can have is no blank.
    void take_blank(const Card &card) noexcept {
        Image &image = unit_.image;
        bool beyond = false;
        double real = 0.0;
        image.has_blank = read_integer(card, image.blank, &beyond) && !beyond;
        if (!image.has_blank && !read_real(card, real)) spoil();
    }

    // Whatever follows END on its card is ignored.
    [[nodiscard]] bool is_end() const noexcept {
        const std::uint8_t *const text = file_.data() + at_;
        if (text[0] != 'E' || text[1] != 'N' || text[2] != 'D') return false;
        const std::uint8_t after = text[3];
        return !((after >= 'A' && after <= 'Z') || (after >= '0' && after <= '9') || after == '_' || after == '-');
    }

    void spoil() noexcept {
        if (!unit_.bad_value) unit_.bad_value = {Fault::damaged_fits, at_};
    }

    void measure() noexcept {
        Image &image = unit_.image;
        const bool groups = is_groups_ && !is_extension_ && naxis_ > 0 && axes_[1] == 0;
        std::int64_t elements = naxis_ > 0 ? 1 : 0;
        for (std::int64_t axis = groups ? 2 : 1; axis <= naxis_; ++axis) elements = product(elements, axes_[axis]);
        if (naxis_ > 0)
            unit_.size = product(product(sum(parameters_, elements), group_count_), std::abs(image.bitpix) / 8);
        image.has_blank = image.has_blank && image.bitpix > 0;
        if (has_tiles_)
            take_tiles();
        else if (!groups && (!is_extension_ || is_image_))
            take_size(axes_, naxis_);
    }

    void take_tiles() noexcept {
        for (std::int64_t axis = 1; axis <= tiled_naxis_; ++axis)
            if (!tiled_axes_.has(axis)) return;
        take_size(tiled_axes_, tiled_naxis_);
        unit_.is_tiled = true;
    }

    void take_size(const Axes &axes, std::int64_t naxis) noexcept {
        const Pair pair = two_axes(axes, naxis);
        if (pair.width == 0) return;
        unit_.height = axes[pair.height];
        unit_.width = axes[pair.width];
        unit_.has_pixels = unit_.height > 0 && unit_.width > 0;
        // CRPIX1 and CRPIX2 are of the first two axes.
        if (pair.height != 2) unit_.image.crpix[0] = unit_.image.crpix[1] = std::nan("");
    }

    Bytes file_;
    std::size_t begin_;
    std::string_view name_;
    std::size_t at_ = 0;  // the card that is read
    bool ended_ = false;
    unsigned seen_ = 0;
    bool is_extension_ = false;
    bool is_image_ = false;
    bool is_groups_ = false;
    bool has_tiles_ = false;
    std::int64_t naxis_ = 0;
    std::int64_t tiled_naxis_ = 0;
    std::int64_t parameters_ = 0;
    std::int64_t group_count_ = 1;
    Axes axes_;
    Axes tiled_axes_;
    Unit unit_;
};

Image failed(Fault fault, std::size_t offset) noexcept {
    Image image;
    image.finding = {fault, offset};
    return image;
}

// The image of a unit that has one.
Image image_of(Bytes file, std::size_t begin, const Unit &unit) noexcept {
    if (unit.width > kLargestSide || unit.height > kLargestSide || unit.width * unit.height > kMostPixels)
        return failed(Fault::too_large, begin);
    if (unit.bad_value && !unit.is_tiled) return failed(unit.bad_value.fault, unit.bad_value.offset);
    Image image = unit.image;
    image.height = static_cast<std::int32_t>(unit.height);
    image.width = static_cast<std::int32_t>(unit.width);
    if (unit.is_tiled) {
        image.finding = {Fault::compressed_image, begin};
        return image;
    }
    const auto size = static_cast<std::size_t>(unit.width * unit.height * (std::abs(image.bitpix) / 8));
    if (image.begin > file.size() || size > file.size() - image.begin) return failed(Fault::truncated, file.size());
    return image;
}

bool starts_with(Bytes bytes, std::string_view text) noexcept {
    for (std::size_t i = 0; i < std::min(bytes.size(), text.size()); ++i)
        if (bytes[i] != static_cast<std::uint8_t>(text[i])) return false;
    return true;  // as far as there are bytes
}

bool same_name(std::string_view a, std::string_view b) noexcept {
    const auto fold = [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; };
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i)
        if (fold(a[i]) != fold(b[i])) return false;
    return true;
}

}  // namespace

Image find_image(Bytes file, std::string_view unit_name) noexcept {
    if (file.empty()) return failed(Fault::empty_cutout, 0);
    if (!starts_with(file, "SIMPLE") && !starts_with(file, "XTENSION")) return failed(Fault::not_fits, 0);
    const bool first_is_meant = same_name(unit_name, "PRIMARY");
    for (std::size_t begin = 0;;) {
        const Unit unit = HeaderReader(file, begin, unit_name).read();
        if (unit.finding) return failed(unit.finding.fault, unit.finding.offset);
        const bool named = first_is_meant || (!unit_name.empty() && unit.has_name);
        if (unit.has_pixels && (unit_name.empty() || named)) return image_of(file, begin, unit);
        if (named) return failed(Fault::no_image, begin);
        const std::size_t data = unit.image.begin;
        if (data > file.size() || static_cast<std::uint64_t>(unit.size) > file.size() - data)
            return failed(Fault::truncated, file.size());
        begin = data + (static_cast<std::size_t>(unit.size) + kBlockSize - 1) / kBlockSize * kBlockSize;
        if (begin > file.size()) return failed(Fault::truncated, file.size());
        // Blocks of blanks or zeros may fill up the file.
        if (begin == file.size() || file[begin] == 0 || file[begin] == ' ') return failed(Fault::no_image, begin);
        if (!starts_with(file.subspan(begin), "XTENSION")) return failed(Fault::damaged_fits, begin);
    }
}

}  // namespace s2v::decode
