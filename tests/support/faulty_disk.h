#pragma once

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <utility>

namespace eventbus {

// The machine's disk, whose files fail, wait or are short of room as a test says. Link RocksDB.
class FaultyDisk {
 public:
    FaultyDisk()
        : files_(std::make_shared<Files>(rocksdb::FileSystem::Default(), *this)),
          env_(rocksdb::NewCompositeEnv(files_)) {}

    rocksdb::Env* env() { return env_.get(); }

    std::atomic<bool> fails_syncs{false};                // of write-ahead logs
    std::atomic<bool> has_no_space{false};               // appends to any file fail
    std::atomic<bool> fails_reads{false};                // of tables
    std::atomic<bool> has_no_descriptors{false};         // no file can be opened
    std::atomic<std::uint64_t> free_bytes{1ULL << 40U};  // as it says when asked
    std::string mount;  // a folder with a disk of its own, which has none
    std::atomic<std::uint64_t> syncs{0};

    // Syncs wait from now on, until it is false.
    void hold_syncs(bool on) {
        const std::lock_guard lock(mutex_);
        holds_ = on;
        changed_.notify_all();
    }
    // The process that uses it is killed: its files stay as they are at this moment, whatever its
    // threads do until they end.
    void die() {
        {
            const std::unique_lock lock(life_mutex_);
            is_dead_ = true;
        }
        hold_syncs(false);
    }
    // Waits until a sync waits.
    void wait_for_a_held_sync() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return waiting_ > 0; });
    }

 private:
    class File final : public rocksdb::FSWritableFileOwnerWrapper {
     public:
        File(std::unique_ptr<rocksdb::FSWritableFile> file, FaultyDisk& disk, bool is_log)
            : FSWritableFileOwnerWrapper(std::move(file)), disk_(disk), is_log_(is_log) {}

        using FSWritableFileOwnerWrapper::Append;
        rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                                 rocksdb::IODebugContext* context) override {
            if (disk_.has_no_space) return rocksdb::IOStatus::NoSpace("no space left on device");
            return disk_.unless_dead(
                [&] { return FSWritableFileOwnerWrapper::Append(data, options, context); });
        }
        rocksdb::IOStatus Truncate(std::uint64_t size, const rocksdb::IOOptions& options,
                                   rocksdb::IODebugContext* context) override {
            return disk_.unless_dead(
                [&] { return FSWritableFileOwnerWrapper::Truncate(size, options, context); });
        }
        rocksdb::IOStatus Sync(const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* context) override {
            if (is_log_) {
                disk_.wait_while_held();
                ++disk_.syncs;
                if (disk_.fails_syncs) return rocksdb::IOStatus::IOError("the disk is broken");
            }
            return disk_.unless_dead(
                [&] { return FSWritableFileOwnerWrapper::Sync(options, context); });
        }

     private:
        FaultyDisk& disk_;
        const bool is_log_;
    };

    class Table final : public rocksdb::FSRandomAccessFileOwnerWrapper {
     public:
        Table(std::unique_ptr<rocksdb::FSRandomAccessFile> file, FaultyDisk& disk)
            : FSRandomAccessFileOwnerWrapper(std::move(file)), disk_(disk) {}

        rocksdb::IOStatus Read(std::uint64_t at, std::size_t count,
                               const rocksdb::IOOptions& options, rocksdb::Slice* result,
                               char* scratch, rocksdb::IODebugContext* context) const override {
            if (disk_.fails_reads) return rocksdb::IOStatus::IOError("the disk is broken");
            return FSRandomAccessFileOwnerWrapper::Read(at, count, options, result, scratch,
                                                        context);
        }

     private:
        FaultyDisk& disk_;
    };

    class Files final : public rocksdb::FileSystemWrapper {
     public:
        Files(const std::shared_ptr<rocksdb::FileSystem>& real, FaultyDisk& disk)
            : FileSystemWrapper(real), disk_(disk) {}

        const char* Name() const override { return "FaultyDisk"; }
        rocksdb::IOStatus NewWritableFile(const std::string& name,
                                          const rocksdb::FileOptions& options,
                                          std::unique_ptr<rocksdb::FSWritableFile>* file,
                                          rocksdb::IODebugContext* context) override {
            if (disk_.has_no_descriptors) return no_descriptors();
            rocksdb::IOStatus status = disk_.unless_dead(
                [&] { return FileSystemWrapper::NewWritableFile(name, options, file, context); });
            if (status.ok()) {
                *file = std::make_unique<File>(std::move(*file), disk_, name.ends_with(".log"));
            }
            return status;
        }
        rocksdb::IOStatus NewSequentialFile(const std::string& name,
                                            const rocksdb::FileOptions& options,
                                            std::unique_ptr<rocksdb::FSSequentialFile>* file,
                                            rocksdb::IODebugContext* context) override {
            if (disk_.has_no_descriptors) return no_descriptors();
            return FileSystemWrapper::NewSequentialFile(name, options, file, context);
        }
        rocksdb::IOStatus NewRandomAccessFile(const std::string& name,
                                              const rocksdb::FileOptions& options,
                                              std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                                              rocksdb::IODebugContext* context) override {
            rocksdb::IOStatus status =
                FileSystemWrapper::NewRandomAccessFile(name, options, file, context);
            if (status.ok()) *file = std::make_unique<Table>(std::move(*file), disk_);
            return status;
        }
        rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                                     const rocksdb::IOOptions& options,
                                     rocksdb::IODebugContext* context) override {
            return disk_.unless_dead(
                [&] { return FileSystemWrapper::RenameFile(from, to, options, context); });
        }
        rocksdb::IOStatus DeleteFile(const std::string& name, const rocksdb::IOOptions& options,
                                     rocksdb::IODebugContext* context) override {
            return disk_.unless_dead(
                [&] { return FileSystemWrapper::DeleteFile(name, options, context); });
        }
        rocksdb::IOStatus GetFreeSpace(const std::string& path, const rocksdb::IOOptions&,
                                       std::uint64_t* bytes, rocksdb::IODebugContext*) override {
            *bytes = path == disk_.mount ? 0 : disk_.free_bytes.load();
            return rocksdb::IOStatus::OK();
        }

     private:
        static rocksdb::IOStatus no_descriptors() {
            return rocksdb::IOStatus::IOError("a file", "Too many open files");
        }

        FaultyDisk& disk_;
    };

    template <class Change>
    rocksdb::IOStatus unless_dead(Change&& change) {
        const std::shared_lock lock(life_mutex_);
        return is_dead_ ? rocksdb::IOStatus::IOError("the process was killed") : change();
    }

    void wait_while_held() {
        std::unique_lock lock(mutex_);
        ++waiting_;
        changed_.notify_all();
        changed_.wait(lock, [this] { return !holds_; });
        --waiting_;
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    bool holds_ = false;
    int waiting_ = 0;
    std::shared_mutex life_mutex_;
    bool is_dead_ = false;  // under life_mutex_
    std::shared_ptr<rocksdb::FileSystem> files_;
    std::unique_ptr<rocksdb::Env> env_;
};

}  // namespace eventbus
