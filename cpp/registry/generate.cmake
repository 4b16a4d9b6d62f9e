# Makes the tables of the registry: kernel/registry_table.hpp (indexes, names, shapes; host and device), faults.hpp
# (what can be wrong with an input), packet_fields.hpp (what of packets the catalogue columns are made of) and
# registry_document.hpp (the JSON text itself).
#
# The flags as C has them are include/space2vec/flags.h, which others include as it lies there. A build compares it with
# the registry; WRITE_HEADER=ON writes it anew.
#
#   cmake -DREGISTRY=registry.json -DOUTPUT=folder [-DHEADER=flags.h [-DWRITE_HEADER=ON]] -P generate.cmake
cmake_minimum_required(VERSION 3.25)

file(READ "${REGISTRY}" document)
string(JSON features_version GET "${document}" features_version)
string(JSON flag_count LENGTH "${document}" flags)
math(EXPR last "${flag_count} - 1")
set(flags "")
set(c_flags "")
set(unfamiliar "")
set(unscorable 0)
foreach(i RANGE ${last})
  string(JSON name GET "${document}" flags ${i} name)
  string(JSON bit GET "${document}" flags ${i} bit)
  string(JSON scored GET "${document}" flags ${i} scored)
  string(APPEND flags "inline constexpr std::uint32_t ${name} = 1u << ${bit};\n")
  string(JSON familiar ERROR_VARIABLE none GET "${document}" flags ${i} familiar)
  string(TOUPPER ${name} constant)
  string(APPEND c_flags "    S2V_FLAG_${constant} = 1 << ${bit},\n")
  if(NOT none AND NOT familiar)
    list(APPEND unfamiliar S2V_FLAG_${constant})
  endif()
  if(NOT scored)
    math(EXPR unscorable "${unscorable} | 1 << ${bit}")
  endif()
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

set(channels science template difference)
set(channel_bits 1 2 4)
string(JSON feature_count LENGTH "${document}" features)
math(EXPR last "${feature_count} - 1")
set(indexes "")
set(names "")
set(planes "")
set(catalogue_names "")
set(catalogue_indexes "")
set(autoscan_count 0)
foreach(i RANGE ${last})
  string(JSON source GET "${document}" features ${i} source)
  if(source STREQUAL "catalogue")
    string(JSON name GET "${document}" features ${i} name)
    string(APPEND catalogue_names "    \"${name}\",\n")
    string(APPEND catalogue_indexes "    ${name},\n")
  endif()
  if(source STREQUAL "stamp")
    string(JSON name GET "${document}" features ${i} name)
    string(APPEND indexes "    ${name},\n")
    string(APPEND names "    \"${name}\",\n")
    string(JSON used GET "${document}" features ${i} planes)
    set(mask 0)
    foreach(channel bit IN ZIP_LISTS channels channel_bits)
      if(used MATCHES "\"${channel}\"")
        math(EXPR mask "${mask} | ${bit}")
      endif()
    endforeach()
    string(APPEND planes "${mask}, ")
    string(JSON set GET "${document}" features ${i} set)
    if(set STREQUAL "autoscan")
      math(EXPR autoscan_count "${autoscan_count} + 1")
    endif()
  endif()
endforeach()

# What of a packet the catalogue columns are made of.
string(JSON packet_count LENGTH "${document}" packets)
math(EXPR last "${packet_count} - 1")
set(packet_fields "")
foreach(i RANGE ${last})
  foreach(key survey record)
    string(JSON ${key} GET "${document}" packets ${i} ${key})
  endforeach()
  string(JSON count LENGTH "${document}" packets ${i} fields)
  math(EXPR last_field "${count} - 1")
  set(fields "")
  set(paths "")
  foreach(k RANGE ${last_field})
    string(JSON name GET "${document}" packets ${i} fields ${k})
    string(APPEND fields "    ${name},\n")
    string(APPEND paths "    \"${record}.${name}\",\n")
  endforeach()
  string(APPEND packet_fields
    "namespace ${survey} {\nenum Field {\n${fields}    kFields\n};\n"
    "inline constexpr const char *kPaths[] = {\n${paths}};\n}  // namespace ${survey}\n\n")
endforeach()

set(channel_science 0)
set(channel_template 1)
set(channel_difference 2)
string(JSON recipe_count LENGTH "${document}" recipes)
math(EXPR last "${recipe_count} - 1")
set(recipes "")
set(recipe_names "")
set(recipe_versions "")
set(shapes "")
foreach(i RANGE ${last})
  string(JSON name GET "${document}" recipes ${i} name)
  string(JSON height GET "${document}" recipes ${i} height)
  string(JSON width GET "${document}" recipes ${i} width)
  string(REPLACE "-" "_" identifier "${name}")
  string(APPEND recipes "    ${identifier},\n")
  string(APPEND recipe_names "    \"${name}\",\n")
  string(JSON version GET "${document}" recipes ${i} version)
  string(APPEND recipe_versions "${version}, ")
  set(order "")
  foreach(k RANGE 2)
    string(JSON channel GET "${document}" recipes ${i} channels ${k})
    list(APPEND order ${channel_${channel}})
  endforeach()
  list(JOIN order ", " order)
  string(APPEND shapes "        case ${i}: return {${height}, ${width}, {${order}}};\n")
endforeach()

# Normalisers, what their parameters may be, and the recipes that are chains of them.
set(most_parameters 2)
string(JSON normaliser_count LENGTH "${document}" normalisers)
math(EXPR last "${normaliser_count} - 1")
set(normalisers "")
set(normaliser_entries "")
foreach(i RANGE ${last})
  string(JSON name GET "${document}" normalisers ${i} name)
  string(REPLACE "-" "_" identifier "${name}")
  string(APPEND normalisers "    ${identifier},\n")
  set(normaliser_${identifier} ${i})
  string(JSON count LENGTH "${document}" normalisers ${i} parameters)
  if(count GREATER most_parameters)
    message(FATAL_ERROR "${name} has more than ${most_parameters} parameters")
  endif()
  set(parameters "")
  set(names_${i} "")
  set(k 0)
  while(k LESS count)
    foreach(key name default lowest highest)
      string(JSON ${key}_of GET "${document}" normalisers ${i} parameters ${k} ${key})
    endforeach()
    string(JSON whole GET "${document}" normalisers ${i} parameters ${k} whole)
    if(whole)
      set(whole true)
    else()
      set(whole false)
    endif()
    list(APPEND names_${i} ${name_of})
    set(parameter_name "\"${name_of}\"")
    list(APPEND parameters "{${parameter_name}, ${default_of}, ${lowest_of}, ${highest_of}, ${whole}}")
    math(EXPR k "${k} + 1")
  endwhile()
  list(JOIN parameters ", " parameters)
  string(JSON version GET "${document}" normalisers ${i} version)
  string(APPEND normaliser_entries "    {\"${name}\", ${version}, ${count}, {${parameters}}},\n")
endforeach()
math(EXPR last "${recipe_count} - 1")
set(chains "")
foreach(i RANGE ${last})
  string(JSON count ERROR_VARIABLE none LENGTH "${document}" recipes ${i} steps)
  if(none)
    continue()
  endif()
  set(steps "")
  set(k 0)
  while(k LESS count)
    string(JSON name GET "${document}" recipes ${i} steps ${k} name)
    string(REPLACE "-" "_" identifier "${name}")
    set(values "")
    foreach(parameter IN LISTS names_${normaliser_${identifier}})
      string(JSON value GET "${document}" recipes ${i} steps ${k} parameters ${parameter})
      list(APPEND values ${value})
    endforeach()
    list(JOIN values ", " values)
    list(APPEND steps "{normaliser::${identifier}, {${values}}}")
    math(EXPR k "${k} + 1")
  endwhile()
  list(JOIN steps ", " steps)
  string(APPEND chains "        case ${i}: return {${count}, {${steps}}};\n")
endforeach()

list(JOIN unfamiliar " | " unfamiliar)
string(CONFIGURE [==[
/* The flags of rows. Made from cpp/registry/registry.json; edit that. */
#ifndef SPACE2VEC_FLAGS_H
#define SPACE2VEC_FLAGS_H

/* Bits that may be joined by |. The registry (s2v_registry) and docs/features.md say what each means. */
typedef enum s2v_flag {
@c_flags@    /* A score of a row with one of these says little: the stamp is unlike all that models learned from. */
    S2V_UNFAMILIAR_FLAGS = @unfamiliar@
} s2v_flag;

#endif
]==] header @ONLY)
if(HEADER AND WRITE_HEADER)
  file(WRITE "${HEADER}" "${header}")
elseif(HEADER)
  file(READ "${HEADER}" written)
  if(NOT written STREQUAL header)
    message(FATAL_ERROR "${HEADER} has other flags than the registry; write it anew: cmake -DREGISTRY=${REGISTRY} "
      "-DOUTPUT=${OUTPUT} -DHEADER=${HEADER} -DWRITE_HEADER=ON -P ${CMAKE_CURRENT_LIST_FILE}")
  endif()
endif()

file(CONFIGURE OUTPUT "${OUTPUT}/kernel/registry_table.hpp" @ONLY CONTENT [==[
// Made from registry.json; edit that.
#pragma once

#include "kernel/macros.hpp"

namespace s2v::kernel {
namespace {

namespace flag {
@flags@}  // namespace flag
// A row with one of these is not scored.
inline constexpr std::uint32_t kUnscorable = @unscorable@;

namespace feature {
enum Index {
@indexes@    kCount
};
}  // namespace feature
// Raised whenever the definition of a feature changes; a model is refused that was trained on another version.
inline constexpr int kFeaturesVersion = @features_version@;
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

namespace normaliser {
enum Index {
@normalisers@    kCount
};
}  // namespace normaliser
inline constexpr int kNormalisers = normaliser::kCount;
inline constexpr int kMostParameters = @most_parameters@;
inline constexpr int kMostSteps = 8;

}  // namespace

struct Step {
    std::int32_t kind;  // a normaliser::Index
    double parameter[kMostParameters];
};

struct Chain {
    std::int32_t count;
    Step step[kMostSteps];
};

namespace {

// The steps of a recipe that is a chain; none for the others.
S2V_HD inline Chain recipe_chain(int index) {
    switch (index) {
@chains@        default: return {};
    }
}

struct ParameterEntry {
    const char *name;
    double otherwise;
    double lowest;
    double highest;
    bool whole;
};

struct NormaliserEntry {
    const char *name;
    int version;
    int parameters;
    ParameterEntry parameter[kMostParameters];
};

[[maybe_unused]] constexpr NormaliserEntry kNormaliserEntries[] = {
@normaliser_entries@};

[[maybe_unused]] constexpr const char *kStampFeatureNames[] = {
@names@};

// The planes that each needs beside the difference: a bit a channel.
[[maybe_unused]] constexpr std::uint32_t kStampFeaturePlanes[] = {@planes@};

[[maybe_unused]] constexpr const char *kCatalogueNames[] = {
@catalogue_names@};
inline constexpr int kCatalogueColumns = sizeof kCatalogueNames / sizeof *kCatalogueNames;

[[maybe_unused]] constexpr const char *kRecipeNames[] = {
@recipe_names@};
[[maybe_unused]] constexpr int kRecipeVersions[] = {@recipe_versions@};

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

file(CONFIGURE OUTPUT "${OUTPUT}/packet_fields.hpp" @ONLY CONTENT [==[
// Made from registry.json; edit that.
#pragma once

namespace s2v {

// The columns of the catalogue.
namespace catalogue {
enum Column {
@catalogue_indexes@    kColumns
};
}  // namespace catalogue

// What of a survey's packets they are made of.
@packet_fields@}  // namespace s2v
]==])

file(CONFIGURE OUTPUT "${OUTPUT}/registry_document.hpp" @ONLY CONTENT [==[
// Made from registry.json; edit that.
#pragma once

namespace s2v {

inline constexpr char kRegistryDocument[] = R"registry(@document@)registry";

}  // namespace s2v
]==])
