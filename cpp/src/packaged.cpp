// Where the packaged models lie: beside the library that this code is in, or where it was to be installed.
#include "model.hpp"

#include "error.hpp"
#include "safetensors.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <filesystem>

#ifndef S2V_MODELS
#define S2V_MODELS ""
#endif

namespace s2v {
namespace {

namespace fs = std::filesystem;

// The model that is meant where none is named.
constexpr std::string_view kDefault = "stampnet";

bool is_name(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    });
}

// Null where there is no packaged model of that name.
std::string packaged(const std::string &name) {
    const std::string file = (name == "default" ? std::string(kDefault) : name) + ".safetensors";
    std::error_code none;
    Dl_info here{};
    static const char inside = 0;
    if (dladdr(&inside, &here) != 0 && here.dli_fname != nullptr) {
        const fs::path folder = fs::path(here.dli_fname).parent_path();
        for (const fs::path &models :
             {folder / "packaged", folder / ".." / "packaged", folder / ".." / "share" / "space2vec" / "models"})
            if (fs::is_regular_file(models / file, none)) return (models / file).string();
    }
    const fs::path installed = fs::path(S2V_MODELS) / file;
    return *S2V_MODELS && fs::is_regular_file(installed, none) ? installed.string() : std::string();
}

}  // namespace

s2v_model load_model(const std::string &name_or_path) {
    if (is_name(name_or_path)) {
        const std::string path = packaged(name_or_path);
        if (!path.empty()) return parse_model(read_file(path));
    }
    return parse_model(read_file(name_or_path));
}

}  // namespace s2v
