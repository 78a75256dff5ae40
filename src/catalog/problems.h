#pragma once

#include <string>
#include <utility>
#include <vector>

#include "catalog/loader.h"

namespace eventbus {

// Collects what is wrong with one file, up to a bound: a file that is something else altogether
// would fill screens.
class Problems {
 public:
    static constexpr std::size_t kProblemsMax = 100;

    explicit Problems(std::string file) : file_(std::move(file)) {}

    void error(int line, std::string what, std::string fix) {
        has_error_ = true;
        add({file_, line, std::move(what), std::move(fix), false});
    }
    void warn(int line, std::string what, std::string fix) {
        add({file_, line, std::move(what), std::move(fix), true});
    }

    bool has_error() const { return has_error_; }
    std::vector<Problem> take_sorted();  // by line

 private:
    void add(Problem problem);

    std::string file_;
    bool has_error_ = false;
    std::vector<Problem> problems_;
};

}  // namespace eventbus
