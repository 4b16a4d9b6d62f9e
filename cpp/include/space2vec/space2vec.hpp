// space2vec for C++20: the C ABI with owners, spans and exceptions. Header-only.
#pragma once

#include "core.hpp"
#include "frames.hpp"
#include "model.hpp"
#include "reader.hpp"
