// `eventbus groups delete`, `eventbus retention resume`: what an operator asks of a running server.

#include <boost/json.hpp>
#include <ostream>
#include <utility>

#include "app/access.h"
#include "app/command.h"
#include "groups/group_key.h"

namespace eventbus {
namespace {

namespace json = boost::json;

constexpr auto kTimeout = std::chrono::seconds(30);

// The answer, an object with the boolean `member`. Errors: as the server says, or why it cannot be
// asked.
Result<json::object> ask(const AccessOptions& access, const CommandContext& context,
                         std::string method, std::string target, std::string_view member) {
    const auto server = find_server(access, context);
    if (!server) return server.error();
    const auto token = find_token(access, context);
    if (!token) return token.error();
    const auto response = send_request(*server,
                                       {.method = std::move(method),
                                        .target = std::move(target),
                                        .headers = {{"Authorization", "Bearer " + *token}},
                                        .body = {}},
                                       kTimeout);
    if (!response) return response.error();
    return object_of(*server, *response, {member}, json::kind::bool_);
}

}  // namespace

int run_groups_delete(const GroupsDeleteOptions& options, const CommandContext& context) {
    const GroupKey group{options.name, options.topic};
    if (const Result<> good = check(group); !good) {
        fail(context, options.json, good.error());
        return kExitUsage;
    }
    const auto answer = ask(options.access, context, "DELETE",
                            "/v1/groups/" + group.name + "/" + group.topic, "deleted");
    if (!answer) return fail(context, options.json, answer.error());
    context.out << (options.json ? json::serialize(*answer) : "deleted " + to_string(group))
                << "\n";
    return finish(context, options.json, "the group is deleted, but ");
}

int run_retention_resume(const RetentionResumeOptions& options, const CommandContext& context) {
    const auto answer = ask(options.access, context, "POST", "/v1/retention/resume", "wasHeld");
    if (!answer) return fail(context, options.json, answer.error());
    const bool was_held = answer->at("wasHeld").get_bool();
    context.out << (options.json ? json::serialize(*answer)
                    : was_held   ? "retention deletes by age again"
                                 : "nothing was held: retention deletes by age")
                << "\n";
    return finish(context, options.json, "the hold has ended, but ");
}

}  // namespace eventbus
