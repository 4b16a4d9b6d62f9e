#include "shared_library.hpp"

#include <cstdlib>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include <link.h>
#include <unistd.h>

namespace s2v {
namespace {

constexpr int kHow = RTLD_NOW | RTLD_LOCAL;

// Where the dynamic linker looks for what this library opens by name, and whether that includes no folder but those of
// an absolute path. It has read LD_LIBRARY_PATH when the process began: the environment may be another one by now.
struct SearchPath {
    std::vector<std::string> folders;
    bool absolute = true;

    void add(std::string_view folder) {
        if (folder.starts_with('/'))
            folders.emplace_back(folder);
        else
            absolute = false;
    }
};

#ifdef __GLIBC__
SearchPath search_path() {
    SearchPath path;
    Dl_info self{};
    void *map = nullptr;
    Dl_serinfo size{};
    if (dladdr1(reinterpret_cast<void *>(&open_library), &self, &map, RTLD_DL_LINKMAP) == 0 || map == nullptr ||
        dlinfo(map, RTLD_DI_SERINFOSIZE, &size) != 0) {
        path.absolute = false;
        return path;
    }
    // The linker writes the folders and their names into one piece of memory.
    std::vector<Dl_serinfo> room(1 + size.dls_size / sizeof(Dl_serinfo));
    Dl_serinfo *found = room.data();
    found->dls_size = size.dls_size;
    found->dls_cnt = size.dls_cnt;
    if (dlinfo(map, RTLD_DI_SERINFO, found) != 0) {
        path.absolute = false;
        return path;
    }
    const Dl_serpath *folder = &found->dls_serpath[0];
    for (unsigned i = 0; i < found->dls_cnt; ++i) path.add(folder[i].dls_name);
    return path;
}
#else
// Other linkers than glibc's do not tell.
SearchPath search_path() {
    SearchPath path;
    const char *list = std::getenv("LD_LIBRARY_PATH");
    std::string_view rest = list == nullptr ? "" : list;
    while (!rest.empty()) {
        const std::size_t end = rest.find_first_of(":;");
        path.add(rest.substr(0, end));
        if (end == std::string_view::npos) break;
        rest.remove_prefix(end + 1);
        if (rest.empty()) path.add(rest);
    }
    for (const char *folder : {"/lib", "/usr/local/lib", "/usr/lib"}) path.add(folder);
    return path;
}
#endif

}  // namespace

bool looks_in_absolute_folders() noexcept try { return search_path().absolute; } catch (const std::bad_alloc &) {
    return false;
}

void *open_library(const char *name) noexcept try {
    const SearchPath path = search_path();
    // By its name alone it is found in the linker's cache too, in folders that no path names.
    if (path.absolute) return dlopen(name, kHow);
    for (const std::string &folder : path.folders) {
        const std::string file = folder + '/' + name;
        if (access(file.c_str(), R_OK) != 0) continue;
        if (void *handle = dlopen(file.c_str(), kHow)) return handle;
    }
    return nullptr;
} catch (const std::bad_alloc &) {
    return nullptr;
}

}  // namespace s2v
