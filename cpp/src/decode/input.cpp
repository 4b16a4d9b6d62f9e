#include "decode/input.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>

namespace s2v::decode {
namespace {

// Milliseconds between looks at whether to stop.
constexpr int kPatience = 100;
constexpr std::size_t kPackedRoom = std::size_t{256} << 10;

// Whether a file is to blame that cannot be opened: no permission, or a link that leads nowhere. A file that has gone
// may mean that a disk has.
bool is_of_file(int number, const std::string &path) noexcept {
    struct stat status;
    return number == EACCES || number == EPERM || number == ELOOP || number == ENAMETOOLONG || number == ENXIO ||
           (number == ENOENT && ::lstat(path.c_str(), &status) == 0 && S_ISLNK(status.st_mode));
}

}  // namespace

Input::Input(const Source &source, const std::atomic<bool> &stopping) : source_(source), stopping_(stopping) {
    if (source.in_memory) {
        expected_ = source.memory.size();
        return;
    }
    // Of a pipe the writer is waited for where reading can be stopped, not here.
    const int mode = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
    file_ = source.path == "-" ? ::dup(STDIN_FILENO) : ::open(source.path.c_str(), mode);
    struct stat status;
    if (file_ < 0 || ::fstat(file_, &status) != 0) {
        const int number = errno;
        throw InputError{number, source.path, is_of_file(number, source.path)};
    }
    if (S_ISDIR(status.st_mode)) {
        ::close(file_);
        throw InputError{EISDIR, source.path, true};
    }
    waits_ = !S_ISREG(status.st_mode);
    if (S_ISREG(status.st_mode) && source.path != "-") size_ = expected_ = static_cast<std::size_t>(status.st_size);
}

Input::~Input() {
    if (file_ >= 0) ::close(file_);
}

std::size_t Input::read_raw(std::uint8_t *to, std::size_t room) {
    if (source_.in_memory) {
        const std::size_t given = std::min(room, source_.memory.size() - at_);
        if (given) std::memcpy(to, source_.memory.data() + at_, given);
        at_ += given;
        return given;
    }
    // Of a file whose size is known the end is not asked for; some say 0 and hold something.
    if (size_ > 0 && at_ >= size_) return 0;
    pollfd waiting{file_, POLLIN, 0};
    while (waits_ && ::poll(&waiting, 1, kPatience) <= 0)
        if (stopping_) throw ReadingStopped();
    for (;;) {
        const ssize_t given = ::read(file_, to, room);
        if (given >= 0) at_ += static_cast<std::size_t>(given);
        if (given >= 0) return static_cast<std::size_t>(given);
        if (errno == EAGAIN && waits_) {
            if (stopping_) throw ReadingStopped();
            ::poll(&waiting, 1, kPatience);
            continue;
        }
        if (errno != EINTR) throw InputError{errno, source_.path};
    }
}

void Input::unpack(Bytes begun) {
    gunzip_.emplace();
    packed_.reserve(kPackedRoom);
    packed_.append(begun.data(), begun.size());
    expected_ = 0;
}

std::size_t Input::read(std::uint8_t *to, std::size_t room) {
    if (!gunzip_) return read_raw(to, room);
    while (!ended_) {
        if (packed_at_ == packed_.size() && !packed_ended_) {
            packed_.resize(kPackedRoom);
            packed_.resize(read_raw(packed_.data(), kPackedRoom));
            packed_at_ = 0;
            packed_ended_ = packed_.size() == 0;
        }
        const Bytes packed(packed_.data() + packed_at_, packed_.size() - packed_at_);
        const Gunzip::Step step = gunzip_->step(packed, {to, room}, packed_ended_);
        packed_at_ += step.used;
        finding_ = step.finding;
        ended_ = step.ended || step.finding;
        if (step.written) return step.written;
        // Neither taken nor given with nothing to come: what is left is no stream.
        if (!ended_ && step.used == 0 && packed_ended_) ended_ = true;
    }
    return 0;
}

}  // namespace s2v::decode
