// Archives: the members that are Avro files.
#include "decode/framer.hpp"
#include "decode/mark.hpp"

namespace s2v::decode {
namespace {

// A long name in an archive; more is damage.
constexpr std::uint64_t kLongestName = 1 << 16;

bool is_hidden(std::string_view name) noexcept {
    const std::size_t slash = name.rfind('/');
    return name.substr(slash == std::string_view::npos ? 0 : slash + 1).starts_with('.');
}

// What a name promises.
bool is_alerts(std::string_view name) noexcept {
    return name.ends_with(".avro") || name.ends_with(".avro.gz");
}

}  // namespace

void Framer::cut_archive() {
    bool found = false;
    std::string name;
    std::uint64_t size = 0;
    bool sized = false;
    for (;;) {
        const Bytes block = peek(kTarBlock);
        if (block.size() < kTarBlock) {
            if (!block.empty() || input_->finding()) fail(short_finding(), "the archive");
            break;
        }
        TarHeader header = read_tar_header(block);
        if (header.kind == TarHeader::Kind::end) break;
        if (header.kind == TarHeader::Kind::damaged) return fail({Fault::damaged_archive, 0}, "");
        take(kTarBlock);
        if (header.kind == TarHeader::Kind::long_name || header.kind == TarHeader::Kind::pax) {
            if (header.size > kLongestName) return fail({Fault::damaged_archive, 0}, "");
            const Bytes body = peek(header.size);
            if (body.size() < header.size) return fail(short_finding(), "the archive");
            std::string_view text(reinterpret_cast<const char *>(body.data()), body.size());
            if (header.kind == TarHeader::Kind::pax) {
                size = 0;
                read_pax(text, name, size);
                sized = size > 0;
            } else {
                name = text.substr(0, text.find('\0'));
            }
            if (!skip(header.size + tar_padding(header.size))) return fail(short_finding(), "the archive");
            continue;
        }
        if (sized) header.size = size;
        const std::uint64_t end = position_ + header.size + tar_padding(header.size);
        if (name.empty()) name = header.name;
        const bool found_here =
            header.kind == TarHeader::Kind::file ? cut_member(header, name) : refuse_link(header, name);
        found |= found_here;
        if (refused_) return;
        name.clear();
        sized = false;
        // An Avro file that is cut short has said so itself.
        if (!skip(end - position_)) {
            if (!found_here) fail(short_finding(), "the archive");
            break;
        }
    }
    if (!found) fail({Fault::foreign_file, 0}, "the archive holds no Avro file");
}

// Read one member of an archive; tells whether it is, or is named as, an Avro file.
bool Framer::cut_member(const TarHeader &header, const std::string &name) {
    if (is_hidden(name)) return false;
    limit_ = position_ + header.size;
    member_ = name;
    record_ = 0;
    const bool avro = is_avro(peek(4));
    const bool named = is_alerts(name);
    if (avro)
        cut_containers();
    else if (named)
        fail({header.size ? Fault::foreign_file : Fault::empty_file, 0}, "");
    limit_ = kNoLimit;
    member_.clear();
    return avro || named;
}

// A link by the name of an Avro file: what it leads to is not followed, and not passed over in silence.
bool Framer::refuse_link(const TarHeader &header, const std::string &name) {
    if (header.kind != TarHeader::Kind::link || is_hidden(name) || !is_alerts(name)) return false;
    member_ = name;
    record_ = 0;
    fail({Fault::foreign_file, 0}, "a link");
    member_.clear();
    return true;
}

}  // namespace s2v::decode
