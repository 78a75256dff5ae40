#include <filesystem>
#include <ostream>
#include <system_error>

#include "app/command.h"
#include "app/data_directory.h"
#include "backplane/embedded/embedded_log.h"
#include "backplane/embedded/expected_files.h"
#include "base/random.h"

namespace eventbus {

int run_restore(const RestoreOptions& options, const CommandContext& context) {
    const Result<DataDirectory> directory = DataDirectory::take(options.data);
    if (!directory) return fail(context, options.json, directory.error());
    SystemRandom random;
    const Result<Position> end =
        EmbeddedLog::end_copy({.data_dir = options.data}, context.clock, random);
    if (!end) return fail(context, options.json, end.error());
    ExpectedFiles::forget(std::filesystem::path(options.data) / "groups");
    // Copied a moment before or after the log, they need not fit it: a client would keep its
    // session and miss the rooms that it joined in between.
    const std::filesystem::path sessions = std::filesystem::path(options.data) / "sessions";
    std::error_code why;
    std::filesystem::remove_all(sessions, why);
    if (why) {
        return fail(context, options.json,
                    {ErrorCode::kUnavailable, "the sessions of the copy cannot be removed from " +
                                                  sessions.string() + ": " + why.message() +
                                                  "; remove that folder, then start the server"});
    }
    if (options.json) {
        context.out << R"({"end":)" << to_string(*end) << "}\n";
    } else {
        context.out
            << "Start the server: its log goes on in a new epoch. Clients and groups that have "
               "seen more than the newest event here, at position "
            << to_string(*end)
            << ", will be told. The sessions of the copy were removed: clients begin new ones.\n";
    }
    return finish(context, options.json, "the directory is prepared, but ");
}

}  // namespace eventbus
