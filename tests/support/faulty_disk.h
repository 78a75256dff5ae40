#pragma once

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace eventbus {

// The machine's disk, whose write-ahead logs fail, wait or are short of room as a test says. Link
// RocksDB.
class FaultyDisk {
 public:
    FaultyDisk()
        : files_(std::make_shared<Files>(rocksdb::FileSystem::Default(), *this)),
          env_(rocksdb::NewCompositeEnv(files_)) {}

    rocksdb::Env* env() { return env_.get(); }

    std::atomic<bool> fails_syncs{false};
    std::atomic<bool> has_no_space{false};               // appends fail
    std::atomic<std::uint64_t> free_bytes{1ULL << 40U};  // as it says when asked
    std::atomic<std::uint64_t> syncs{0};

    // Syncs wait from now on, until it is false.
    void hold_syncs(bool on) {
        const std::lock_guard lock(mutex_);
        holds_ = on;
        changed_.notify_all();
    }
    // Waits until a sync waits.
    void wait_for_a_held_sync() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return waiting_ > 0; });
    }

 private:
    class WriteAheadLog final : public rocksdb::FSWritableFileOwnerWrapper {
     public:
        WriteAheadLog(std::unique_ptr<rocksdb::FSWritableFile> file, FaultyDisk& disk)
            : FSWritableFileOwnerWrapper(std::move(file)), disk_(disk) {}

        using FSWritableFileOwnerWrapper::Append;
        rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                                 rocksdb::IODebugContext* context) override {
            if (disk_.has_no_space) return rocksdb::IOStatus::NoSpace("no space left on device");
            return FSWritableFileOwnerWrapper::Append(data, options, context);
        }
        rocksdb::IOStatus Sync(const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* context) override {
            disk_.wait_while_held();
            ++disk_.syncs;
            if (disk_.fails_syncs) return rocksdb::IOStatus::IOError("the disk is broken");
            return FSWritableFileOwnerWrapper::Sync(options, context);
        }

     private:
        FaultyDisk& disk_;
    };

    class Files final : public rocksdb::FileSystemWrapper {
     public:
        Files(std::shared_ptr<rocksdb::FileSystem> real, FaultyDisk& disk)
            : FileSystemWrapper(std::move(real)), disk_(disk) {}

        const char* Name() const override { return "FaultyDisk"; }
        rocksdb::IOStatus NewWritableFile(const std::string& name,
                                          const rocksdb::FileOptions& options,
                                          std::unique_ptr<rocksdb::FSWritableFile>* file,
                                          rocksdb::IODebugContext* context) override {
            rocksdb::IOStatus status =
                FileSystemWrapper::NewWritableFile(name, options, file, context);
            if (status.ok() && name.ends_with(".log")) {
                *file = std::make_unique<WriteAheadLog>(std::move(*file), disk_);
            }
            return status;
        }
        rocksdb::IOStatus GetFreeSpace(const std::string&, const rocksdb::IOOptions&,
                                       std::uint64_t* bytes, rocksdb::IODebugContext*) override {
            *bytes = disk_.free_bytes;
            return rocksdb::IOStatus::OK();
        }

     private:
        FaultyDisk& disk_;
    };

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
    std::shared_ptr<rocksdb::FileSystem> files_;
    std::unique_ptr<rocksdb::Env> env_;
};

}  // namespace eventbus
