// Reading files by their paths: what stops a run, what costs a row, pipes.
#include "check.hpp"
#include "space2vec/space2vec.hpp"
#include "synthetic_packets.hpp"

#include <sys/stat.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <string>
#include <thread>

namespace {

using synthetic::Octets;

void files() {
    const std::string path = "test_reader.avro";
    {
        const Octets bytes = synthetic::container(0, 4, 2);
        std::ofstream(path, std::ios::binary)
            .write(reinterpret_cast<const char *>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    }
    s2v::Reading how;
    how.columns = {"candidate.magpsf", "candidate.nosuch"};
    s2v::Reader reader({path, "no such file"}, how);
    const s2v_batch *const batch = reader.next(4);
    CHECK(batch && batch->stamps.n == 4 && batch->schema[0] == batch->schema[3]);
    CHECK(reader.schema_columns(batch->schema[0]) == (std::vector<std::uint8_t>{1, 0}));
    CHECK_THROWS(reader.next(4), s2v::Error, caught.status() == S2V_IO_ERROR);
    s2v::Reader nowhere({"no such file"});  // nothing comes before the failure
    CHECK_THROWS(nowhere.next(4), s2v::Error, caught.status() == S2V_IO_ERROR);
    // A folder that has the name of a file costs a row, as a file without permission does.
    s2v::Reader folder({".", path});
    const s2v_batch *const rest = folder.next(9);
    CHECK(rest && rest->stamps.n == 5 && rest->problem_count == 1 && rest->problems[0].row == 0);
    CHECK(std::string(s2v_fault_name(rest->problems[0].fault)) == "unreadable_file");
    std::remove(path.c_str());
}

// A pipe of which no writer comes is waited for, but not by whoever closes the reader; what comes late is read.
void pipes() {
    const std::string path = "test_reader_files.pipe";
    std::remove(path.c_str());
    CHECK(mkfifo(path.c_str(), 0600) == 0);
    {
        const s2v::Reader nobody({path});
    }
    s2v::Reader late({path});
    std::thread writer([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(150));
        const Octets bytes = synthetic::container(0, 30, 2);
        std::ofstream file(path, std::ios::binary);
        file.write(reinterpret_cast<const char *>(bytes.data()), 5000).flush();
        std::this_thread::sleep_for(std::chrono::milliseconds(150));
        file.write(reinterpret_cast<const char *>(bytes.data()) + 5000,
                   static_cast<std::streamsize>(bytes.size() - 5000));
    });
    std::int64_t rows = 0;
    for (const s2v_batch *batch = late.next(7); batch; batch = late.next(7)) {
        CHECK(batch->problem_count == 0);
        rows += batch->stamps.n;
    }
    writer.join();
    CHECK(rows == 30);
    std::remove(path.c_str());
}

}  // namespace

int main() {
    files();
    pipes();
    return check::report();
}
