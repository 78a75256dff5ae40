#pragma once

#include <string>

#include "base/error.h"
#include "base/result.h"

namespace eventbus {

// What an operator is told of a data directory that cannot be `what`: "made", "opened". `why` is an
// errno. kUnavailable.
Error data_directory_error(const std::string& path, const char* what, int why);

// The data directory, as this process has it to itself. RocksDB locks a file in each store's
// folder, and somebody may take that file away for a stale one; the lock on the directory itself
// has no file.
//
// Thread: any. The kernel ends the lock with the process.
class DataDirectory {
 public:
    // Takes the directory `path`, which exists, before anything in it is opened.
    // Errors: kUnavailable: another process has it, or it cannot be opened.
    static Result<DataDirectory> take(const std::string& path);

    DataDirectory(DataDirectory&& other) noexcept;
    DataDirectory& operator=(DataDirectory&&) = delete;
    ~DataDirectory();

 private:
    explicit DataDirectory(int descriptor) : descriptor_(descriptor) {}

    int descriptor_;  // -1: moved from
};

}  // namespace eventbus
