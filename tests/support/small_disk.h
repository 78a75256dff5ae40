#pragma once

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <vector>

#include "support/folder.h"

namespace eventbus {

// A disk of its own for one test: real, in memory, and small. Only root may have one.
class SmallDisk {
 public:
    explicit SmallDisk(const std::string& size) {
        is_there_ =
            ::mount("tmpfs", folder_.path().c_str(), "tmpfs", 0, ("size=" + size).c_str()) == 0;
    }
    ~SmallDisk() {
        if (is_there_) ::umount2(folder_.path().c_str(), MNT_DETACH);
    }
    SmallDisk(const SmallDisk&) = delete;
    SmallDisk& operator=(const SmallDisk&) = delete;

    bool is_there() const { return is_there_; }
    const std::filesystem::path& path() const { return folder_.path(); }

    // Takes all that is left, to the last byte.
    void fill() {
        const int file = ::open(filler().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        BUS_ASSERT(file >= 0);
        std::vector<char> bytes(1U << 16U);
        while (!bytes.empty()) {
            if (::write(file, bytes.data(), bytes.size()) <= 0) bytes.resize(bytes.size() / 2);
        }
        ::close(file);
    }
    void make_room() { std::filesystem::remove(filler()); }

 private:
    std::string filler() const { return (folder_.path() / "filler").string(); }

    Folder folder_;
    bool is_there_ = false;
};

}  // namespace eventbus
