# Makes the C++ tables of the registry: kernel/registry_table.hpp (indexes, names, shapes; host and device), faults.hpp
# (what can be wrong with an input) and registry_document.hpp (the JSON text itself).
#
#   cmake -DREGISTRY=registry.json -DOUTPUT=folder -P generate.cmake
cmake_minimum_required(VERSION 3.25)

file(READ "${REGISTRY}" document)
string(JSON flag_count LENGTH "${document}" flags)
math(EXPR last "${flag_count} - 1")
set(flags "")
foreach(i RANGE ${last})
  string(JSON name GET "${document}" flags ${i} name)
  string(JSON bit GET "${document}" flags ${i} bit)
  string(APPEND flags "inline constexpr std::uint32_t ${name} = 1u << ${bit};\n")
endforeach()

string(JSON fault_count LENGTH "${document}" faults)
math(EXPR last "${fault_count} - 1")
set(faults "")
set(fault_names "")
foreach(i RANGE ${last})
  string(JSON name GET "${document}" faults ${i} name)
  string(APPEND faults "    ${name},\n")
  string(APPEND fault_names "    \"${name}\",\n")
endforeach()

string(JSON feature_count LENGTH "${document}" features)
math(EXPR last "${feature_count} - 1")
set(indexes "")
set(names "")
set(autoscan_count 0)
foreach(i RANGE ${last})
  string(JSON source GET "${document}" features ${i} source)
  if(source STREQUAL "stamp")
    string(JSON name GET "${document}" features ${i} name)
    string(APPEND indexes "    ${name},\n")
    string(APPEND names "    \"${name}\",\n")
    string(JSON set GET "${document}" features ${i} set)
    if(set STREQUAL "autoscan")
      math(EXPR autoscan_count "${autoscan_count} + 1")
    endif()
  endif()
endforeach()

set(channel_science 0)
set(channel_template 1)
set(channel_difference 2)
string(JSON recipe_count LENGTH "${document}" recipes)
math(EXPR last "${recipe_count} - 1")
set(recipes "")
set(recipe_names "")
set(shapes "")
foreach(i RANGE ${last})
  string(JSON name GET "${document}" recipes ${i} name)
  string(JSON height GET "${document}" recipes ${i} height)
  string(JSON width GET "${document}" recipes ${i} width)
  string(REPLACE "-" "_" identifier "${name}")
  string(APPEND recipes "    ${identifier},\n")
  string(APPEND recipe_names "    \"${name}\",\n")
  set(order "")
  foreach(k RANGE 2)
    string(JSON channel GET "${document}" recipes ${i} channels ${k})
    list(APPEND order ${channel_${channel}})
  endforeach()
  list(JOIN order ", " order)
  string(APPEND shapes "        case ${i}: return {${height}, ${width}, {${order}}};\n")
endforeach()

file(CONFIGURE OUTPUT "${OUTPUT}/kernel/registry_table.hpp" @ONLY CONTENT [==[
// Made from registry.json; edit that.
#pragma once

#include "kernel/macros.hpp"

namespace s2v::kernel {
namespace {

namespace flag {
@flags@}  // namespace flag

namespace feature {
enum Index {
@indexes@    kCount
};
}  // namespace feature
// The features of the stamps: first those of the set autoscan, then those of the set s2v.
inline constexpr int kStampFeatures = feature::kCount;
inline constexpr int kAutoscanFeatures = @autoscan_count@;
inline constexpr int kS2vFeatures = kStampFeatures - kAutoscanFeatures;

namespace recipe {
enum Index {
@recipes@    kCount
};
}  // namespace recipe
inline constexpr int kRecipes = recipe::kCount;

struct RecipeShape {
    int height;
    int width;
    int channel[3];
};

S2V_HD inline RecipeShape recipe_shape(int index) {
    switch (index) {
@shapes@        default: return {0, 0, {0, 0, 0}};
    }
}

[[maybe_unused]] constexpr const char *kStampFeatureNames[] = {
@names@};

[[maybe_unused]] constexpr const char *kRecipeNames[] = {
@recipe_names@};

}  // namespace
}  // namespace s2v::kernel
]==])

file(CONFIGURE OUTPUT "${OUTPUT}/faults.hpp" @ONLY CONTENT [==[
// Made from registry.json; edit that.
#pragma once

#include <cstdint>

namespace s2v::decode {

// What can be wrong with an input; none: nothing.
enum class Fault : std::uint8_t {
    none,
@faults@};

inline constexpr const char *kFaultNames[] = {
    "none",
@fault_names@};

}  // namespace s2v::decode
]==])

file(CONFIGURE OUTPUT "${OUTPUT}/registry_document.hpp" @ONLY CONTENT [==[
// Made from registry.json; edit that.
#pragma once

namespace s2v {

inline constexpr char kRegistryDocument[] = R"registry(@document@)registry";

}  // namespace s2v
]==])
