#include "app/cli.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <map>
#include <span>

#include "app/command.h"
#include "app/settings.h"
#include "base/write_line.h"
#include "event/nearest.h"

namespace eventbus {
namespace {

constexpr auto kVersion = "eventbus " EVENTBUS_VERSION;

std::string type_name(Setting::Kind kind) {
    switch (kind) {
        case Setting::Kind::kAddress:
        case Setting::Kind::kAddressOrOff:
            return "HOST:PORT";
        case Setting::Kind::kPath:
            return "PATH";
        case Setting::Kind::kCount:
            return "NUMBER";
        case Setting::Kind::kBytes:
            return "SIZE";
        case Setting::Kind::kDuration:
            return "TIME";
        case Setting::Kind::kList:
            return "LIST";
        case Setting::Kind::kWord:
            return "WORD";
        default:
            return "TEXT";
    }
}

std::string description(const Setting& setting) {
    std::string text(setting.sentence);
    const std::string usual = setting.default_text();
    if (!usual.empty()) text += " Default: " + usual + ".";
    if (!setting.range_text().empty()) text += " Allowed: " + setting.range_text() + ".";
    return text + " [" + setting.environment() + "]";
}

struct ServeOptions {
    std::string file;
    std::map<std::string, std::string> values;  // by key
    std::map<std::string, CLI::Option*> given;  // the flag of each; count() says whether it came

    std::map<std::string, std::string> flags() const {
        std::map<std::string, std::string> came;
        for (const auto& [key, option] : given) {
            if (option->count() > 0) came[key] = values.at(key);
        }
        return came;
    }
};

void add_serve(CLI::App& app, ServeOptions& options) {
    CLI::App* command = app.add_subcommand("serve", "Runs the server until SIGTERM or Ctrl-C.");
    command->add_option("--config", options.file, "YAML file of settings. [EVENTBUS_CONFIG]")
        ->type_name("FILE");
    for (const Setting& setting : settings()) {
        if (!setting.has_flag()) continue;
        std::string& value = options.values[std::string(setting.key)];
        CLI::Option* option = setting.kind == Setting::Kind::kSwitch
                                  ? command->add_flag(setting.flag() + ",!" + setting.flag_off(),
                                                      value, description(setting))
                                  : command->add_option(setting.flag(), value, description(setting))
                                        ->type_name(type_name(setting.kind));
        options.given[std::string(setting.key)] = option;
        option->group(std::string(setting.group));
    }
    command->footer(
        "The secret has no flag: EVENTBUS_JWT_SECRET, or the key jwt_secret of the file.\n"
        "A flag is stronger than the environment, that is stronger than the file.\n"
        "docs/configuration.md explains all of them.");
}

void add_access(CLI::App& command, AccessOptions& access, const char* data_flags) {
    command
        .add_option("--url", access.url,
                    "The server. Default: EVENT_BUS_URL, else http://127.0.0.1:8080")
        ->type_name("URL");
    command
        .add_option("--cacert", access.cacert,
                    "Whom to trust with https, instead of the system's authorities; PEM. Default: "
                    "EVENT_BUS_CACERT")
        ->type_name("FILE");
    command.add_option("--token", access.token, "Who asks. Default: EVENT_BUS_TOKEN")
        ->type_name("JWT");
    command
        .add_option("--as", access.service,
                    "Without a token one is made for this service, if the secret is found")
        ->type_name("SERVICE")
        ->capture_default_str();
    command
        .add_option(data_flags, access.data,
                    "Data directory of a server with --dev. Default: ./data")
        ->type_name("DIR");
    command.add_option("--config", access.config, "The server's file of settings")
        ->type_name("FILE");
}

void add_publish(CLI::App& app, PublishOptions& options) {
    CLI::App* command = app.add_subcommand("publish", "Publishes one event.");
    command->add_option("type", options.type, "Its type, as photo.uploaded")->required();
    command
        ->add_option("words", options.words,
                     "Its data: photoId=123 exif.iso=200. What is JSON is taken as such, anything "
                     "else is a string; 'photoId=\"123\"' is one, too")
        ->type_name("KEY=VALUE");
    command
        ->add_option("--data", options.data,
                     "Its data as a JSON object, @FILE, or - for standard input")
        ->type_name("JSON");
    command->add_option("--id", options.id, "Its id: published twice, it is stored once");
    command->add_option("--subject", options.subject,
                        "Its subject, as photo:123; else the catalog's");
    command->add_option("--source", options.source, "Its source; else the token's owner");
    command->add_flag("--json", options.json, "Answer in JSON, for scripts");
    add_access(*command, options.access, "--data-dir");
}

void add_tail(CLI::App& app, TailOptions& options) {
    CLI::App* command =
        app.add_subcommand("tail", "Prints events as they happen, over reconnects.");
    command
        ->add_option("topics", options.topics,
                     "What to follow: photo:123, photo.uploaded, 'photo.*'. Default: every type")
        ->type_name("TOPIC");
    command->add_flag("--mine", options.mine,
                      "Instead what the user of the token gets without subscribing");
    command->add_option("--since", options.since, "First what happened after this offset")
        ->type_name("OFFSET");
    command->add_option("--count", options.count, "End after so many events")
        ->type_name("NUMBER")
        ->check(CLI::Range(1, 1'000'000'000));
    command->add_flag("--json", options.json, "One JSON object a line, for scripts");
    add_access(*command, options.access, "--data,--data-dir");
}

void add_groups(CLI::App& app, GroupsDeleteOptions& options) {
    CLI::App* groups = app.add_subcommand("groups", "Looks after consumer groups.");
    groups->require_subcommand(1);
    CLI::App* command = groups->add_subcommand(
        "delete", "Ends a group: its members are told, and nothing is kept of it.");
    command->add_option("name", options.name, "Its name, as thumbnails")->required();
    command->add_option("topic", options.topic, "Its topic, as photo.uploaded or 'photo.*'")
        ->required();
    command->add_flag("--json", options.json, "Answer in JSON, for scripts");
    add_access(*command, options.access, "--data-dir");
}

void add_retention(CLI::App& app, RetentionResumeOptions& options) {
    CLI::App* retention = app.add_subcommand("retention", "Looks after what the log deletes.");
    retention->require_subcommand(1);
    CLI::App* command = retention->add_subcommand(
        "resume", "Ends the hold after a jump of the clock: the clock is right.");
    command->add_flag("--json", options.json, "Answer in JSON, for scripts");
    add_access(*command, options.access, "--data-dir");
}

void add_token(CLI::App& app, TokenOptions& options) {
    CLI::App* command =
        app.add_subcommand("token", "Makes a token, signed with the server's secret.");
    command->add_option("--user", options.user, "For the user with this id")->type_name("ID");
    command->add_option("--service", options.service, "For the service of this name")
        ->type_name("NAME");
    command->add_option("--role", options.roles, "A role of the user; may be repeated")
        ->type_name("ROLE");
    command
        ->add_option("--permission", options.permissions,
                     "A permission, as watch:photo:*; may be repeated")
        ->type_name("VERB:PATTERN");
    command->add_option("--ttl", options.ttl, "How long it is good, up to 366d")
        ->type_name("TIME")
        ->capture_default_str();
    command
        ->add_option("--jwt-secret-file", options.secret_file,
                     "File of the secret. Default: as the settings say, else that of --dev")
        ->type_name("FILE");
    command
        ->add_option("--data,--data-dir", options.data,
                     "Data directory of a server with --dev. Default: ./data")
        ->type_name("DIR");
    command->add_option("--config", options.config, "The server's file of settings")
        ->type_name("FILE");
    command->add_flag("--json", options.json, "Answer in JSON, for scripts");
}

void add_check_config(CLI::App& app, CheckConfigOptions& options) {
    CLI::App* command = app.add_subcommand(
        "check-config", "Checks settings and catalog without starting: FILE:LINE: what; fix.");
    command->add_option("--catalog", options.catalog, "The catalog. Default: as the settings say")
        ->type_name("FILE");
    command->add_option("--config", options.config, "The file of settings")->type_name("FILE");
    command->add_flag("--json", options.json, "Answer in JSON, for scripts");
}

void add_restore(CLI::App& app, RestoreOptions& options) {
    CLI::App* command = app.add_subcommand(
        "restore",
        "Prepares a data directory that was restored from a backup, before a start on it.");
    command->add_option("DIR", options.data, "The restored data directory")->required();
    command->add_flag("--json", options.json, "Answer in JSON, for scripts");
}

// ---- empty values -------------------------------------------------------------------------------

std::string refuse_empty(const std::string& value) {
    return value.empty() ? "the value is empty; give one, or leave it out" : std::string();
}

// But for those of settings, which the loader looks at as it does at variables and files.
void refuse_empty_values(CLI::App& command, const ServeOptions& serve) {
    for (CLI::App* below : command.get_subcommands({})) refuse_empty_values(*below, serve);
    for (CLI::Option* option : command.get_options()) {
        const bool is_setting =
            std::any_of(serve.given.begin(), serve.given.end(),
                        [&](const auto& given) { return given.second == option; });
        if (!is_setting) option->check(CLI::Validator(refuse_empty, ""));
    }
}

const CLI::Option* find_flag(const CLI::App& command, const std::string& name) {
    const CLI::Option* found = command.get_option_no_throw(name);
    for (const CLI::App* below : command.get_subcommands({})) {
        if (found == nullptr) found = find_flag(*below, name);
    }
    return found;
}

// The words behind the program's name. Of `--name=` CLI11 would take the next word for the value,
// and a switch for on; so the empty value becomes a word of its own, as in `--name ''`.
std::vector<std::string> arguments(const CLI::App& app, std::span<const char* const> words) {
    const auto behind = words.subspan(std::min<std::size_t>(words.size(), 1));
    std::vector<std::string> given(behind.begin(), behind.end());
    for (auto at = given.begin(); at != given.end() && *at != "--"; ++at) {
        if (!at->starts_with("--") || at->find('=') != at->size() - 1) continue;
        const std::string name = at->substr(0, at->size() - 1);
        const CLI::Option* const flag = find_flag(app, name);
        if (flag == nullptr) continue;
        if (flag->get_items_expected_max() == 0) {
            throw CLI::ValidationError(
                *at, "the value is empty; write " + name + ", or " + name + "=false");
        }
        *at = name;
        at = given.insert(at + 1, std::string());
    }
    return given;
}

using Serve = std::function<int(const Config&)>;

int run_serve(const ServeOptions& options, const CommandContext& context, const Serve& serve) {
    const LoadedConfig loaded = load_config(
        {.flags = options.flags(), .environment = context.environment, .file = options.file});
    // As all that the server says: a pipe that is full and that nobody reads must not hold it.
    for (const ConfigProblem& problem : loaded.problems) {
        write_line(STDERR_FILENO, "eventbus: " + problem.text());
    }
    return loaded.is_good() ? serve(loaded.config) : kExitUsage;
}

// Which flag of `serve` was meant by one that CLI11 does not know.
std::string suggested_flag(std::span<const char* const> words) {
    for (const std::string_view word : words) {
        if (!word.starts_with("--")) continue;
        std::string key(word.substr(2, word.find('=') - 2));
        std::replace(key.begin(), key.end(), '-', '_');
        const std::string near = nearest_setting(key);
        if (find_setting(key) == nullptr && !near.empty()) {
            return "Did you mean " + find_setting(near)->flag() + "?\n";
        }
    }
    return {};
}

int report(const CLI::App& app, const CLI::ParseError& error, std::span<const char* const> words) {
    if (error.get_exit_code() == 0) return app.exit(error, std::cout, std::cerr);  // --help
    if (words.size() < 2) {
        std::cerr << app.help();
        return kExitUsage;
    }
    const std::string_view first(words[1]);
    std::vector<std::string_view> commands;
    bool is_command = false;
    for (const CLI::App* command : app.get_subcommands({})) {
        commands.push_back(command->get_name());
        is_command = is_command || first == command->get_name();
    }
    if (is_command) {
        write_line(STDERR_FILENO,
                   fmt::format("eventbus: {}\n{}Run `eventbus {} --help` for what there is.",
                               error.what(), first == "serve" ? suggested_flag(words) : "", first));
    } else {
        write_line(STDERR_FILENO,
                   fmt::format("eventbus: there is no command `{}`{}", first,
                               did_you_mean(first, commands, "`eventbus --help` lists them")));
    }
    return kExitUsage;
}

int run(int argc, const char* const* argv, const Serve& serve) {
    CLI::App app("Carries events between services and the devices of people.", "eventbus");
    app.set_version_flag("--version", kVersion);
    app.require_subcommand(1);
    app.get_formatter()->column_width(40);

    ServeOptions serve_options;
    PublishOptions publish_options;
    TailOptions tail_options;
    GroupsDeleteOptions groups_delete_options;
    RetentionResumeOptions retention_options;
    TokenOptions token_options;
    CheckConfigOptions check_options;
    RestoreOptions restore_options;
    add_serve(app, serve_options);
    add_publish(app, publish_options);
    add_tail(app, tail_options);
    add_groups(app, groups_delete_options);
    add_retention(app, retention_options);
    add_token(app, token_options);
    add_check_config(app, check_options);
    add_restore(app, restore_options);
    refuse_empty_values(app, serve_options);

    const std::span words(argv, static_cast<std::size_t>(argc));
    try {
        std::vector<std::string> given = arguments(app, words);
        std::reverse(given.begin(), given.end());  // as CLI11 takes them
        app.parse(std::move(given));
    } catch (const CLI::ParseError& error) {
        return report(app, error, words);
    }
    const SystemClock clock;
    const CommandContext context{eventbus_environment(), std::cin, std::cout, std::cerr, clock};
    const std::string command = app.get_subcommands().front()->get_name();
    if (command == "serve") return run_serve(serve_options, context, serve);
    if (command == "publish") return run_publish(publish_options, context);
    if (command == "tail") return run_tail(tail_options, context);
    if (command == "groups") return run_groups_delete(groups_delete_options, context);
    if (command == "retention") return run_retention_resume(retention_options, context);
    if (command == "token") return run_token(token_options, context);
    if (command == "restore") return run_restore(restore_options, context);
    return run_check_config(check_options, context);
}

}  // namespace

int run_command_line(int argc, const char* const* argv,
                     const std::function<int(const Config&)>& serve) {
    const int code = run(argc, argv, serve);
    if (code != kExitDone) return code;
    if (const Result<> written = flush_output(std::cout); !written) {
        std::cerr << "eventbus: " << written.error().detail << "\n";
        return kExitFailed;
    }
    return code;
}

}  // namespace eventbus
