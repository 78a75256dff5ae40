#pragma once

#include <boost/system/result.hpp>

#include "base/assert.h"
#include "base/error.h"

namespace eventbus {

[[noreturn]] inline void throw_exception_from_error(const Error&, const boost::source_location&) {
    BUS_ASSERT(!"value() of a Result that holds an error; test it, then use *");
}

// A value or an Error. Boost's result is tested and known; ours adds only that it cannot be
// dropped. Use: test it, then `*`; never .value().
template <class T = void>
class [[nodiscard]] Result : public boost::system::result<T, Error> {
    using Base = boost::system::result<T, Error>;

 public:
    using Base::Base;
};

}  // namespace eventbus
