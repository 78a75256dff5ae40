#pragma once

#include <span>
#include <string>

#include "base/result.h"

namespace eventbus {

// The data of an event from the words of a command line, as JSON text: `photoId=7 exif.iso=200`
// is {"photoId":7,"exif":{"iso":200}}. A value that is JSON is taken as such (7, true, null, [1],
// "7"), any other is a string.
// Errors: kBadRequest, and which word is wrong.
Result<std::string> data_of_words(std::span<const std::string> words);

}  // namespace eventbus
