#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "catalog/filter.h"
#include "catalog/loader.h"
#include "catalog/template.h"
#include "catalog/transform.h"
#include "catalog/words.h"
#include "support/folder.h"

namespace eventbus {
namespace {

namespace fs = std::filesystem;

const fs::path kTree = BUS_SOURCE_DIR;

std::string contents(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    EXPECT_TRUE(file) << path;
    return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<fs::path> yaml_files(const fs::path& folder) {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(folder)) {
        if (entry.path().extension() == ".yaml") files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    return files;
}

std::string all_problems(const Loaded& loaded) {
    std::string text;
    for (const Problem& problem : loaded.problems) text += problem.text() + "\n";
    return text;
}

// Each broken catalog stands beside what check-config says about it.
TEST(CatalogFiles, EachBrokenOneIsRefusedWithItsMessage) {
    const auto files = yaml_files(kTree / "tests/catalogs/broken");
    ASSERT_GE(files.size(), 10u);
    for (const fs::path& file : files) {
        SCOPED_TRACE(file.filename().string());
        const Loaded loaded = parse_catalog(contents(file), file.filename().string());
        EXPECT_EQ(loaded.catalog, nullptr);
        EXPECT_EQ(all_problems(loaded), contents(fs::path(file).replace_extension(".txt")));
    }
}

TEST(CatalogFiles, TheCatalogsOfTheTreeLoadWithoutAWarning) {
    const char* const files[] = {"examples/photo-platform/catalog.yaml",
                                 "tests/catalogs/photo.yaml", "tests/catalogs/everything.yaml"};
    for (const char* file : files) {
        SCOPED_TRACE(file);
        const Loaded loaded = load_catalog(kTree / file);
        EXPECT_NE(loaded.catalog, nullptr);
        EXPECT_EQ(all_problems(loaded), "");
    }
}

// The blocks that begin with ```yaml.
std::vector<std::string> examples_of(const std::string& page) {
    constexpr std::string_view kOpen = "```yaml\n";
    std::vector<std::string> examples;
    for (std::size_t at = page.find(kOpen); at != std::string::npos; at = page.find(kOpen, at)) {
        at += kOpen.size();
        examples.push_back(page.substr(at, page.find("```", at) - at));
    }
    return examples;
}

TEST(CatalogFiles, EachExampleOfThePageLoadsWithoutAWarning) {
    const auto examples = examples_of(contents(kTree / "docs/catalog.md"));
    EXPECT_GE(examples.size(), 10u);
    for (const std::string& example : examples) {
        SCOPED_TRACE(example);
        const Loaded loaded = parse_catalog(example, "docs/catalog.md");
        EXPECT_NE(loaded.catalog, nullptr);
        EXPECT_EQ(all_problems(loaded), "");
    }
}

// From "## TITLE" to the next one.
std::string section_of(const std::string& page, const std::string& title) {
    const std::size_t begin = page.find("\n## " + title + "\n");
    EXPECT_NE(begin, std::string::npos) << title;
    return page.substr(begin, page.find("\n## ", begin + 1) - begin);
}

TEST(CatalogFiles, ThePageListsTheNamesThatEventsMayNotHave) {
    std::string listed = section_of(contents(kTree / "docs/catalog.md"), "emit");
    std::string all;
    for (const std::string_view name : reserved_names()) {
        all += (all.empty() ? "`" : ", `") + std::string(name) + "`";
    }
    std::replace(listed.begin(), listed.end(), '\n', ' ');
    EXPECT_NE(listed.find(all + "."), std::string::npos) << all;
}

TEST(CatalogFiles, ThePageStatesTheLimitsOfTheSource) {
    const std::string limits = section_of(contents(kTree / "docs/catalog.md"), "Limits");
    const auto number = [](std::size_t value) {  // of four or five digits
        std::string text = std::to_string(value);
        return text.insert(text.size() - 3, ",");
    };
    EXPECT_EQ(kCatalogBytesMax, 4U << 20U);
    const std::string rows[] = {
        "| the file | 4 MiB |", "| event types | " + number(kCatalogTypesMax) + " |",
        "| template | " + std::to_string(Template::kTemplateBytesMax) + " bytes, a value of it " +
            std::to_string(Template::kValueBytesMax) + " |",
        "| filter | " + std::to_string(Filter::kConditionsMax) + " conditions, " +
            std::to_string(Filter::kDepthMax) + " levels, " +
            std::to_string(Filter::kTextBytesMax) + " bytes a text, " +
            number(Filter::kBranchFieldsMax) + " fields in all combinations",
        "| transform | " + std::to_string(Transform::kFieldsMax) + " fields |"};
    for (const std::string& row : rows) EXPECT_NE(limits.find(row), std::string::npos) << row;
}

TEST(CatalogFiles, AFileThatCannotBeReadIsAProblem) {
    const Loaded loaded = load_catalog("/nowhere/catalog.yaml");
    EXPECT_EQ(loaded.catalog, nullptr);
    EXPECT_EQ(all_problems(loaded),
              "/nowhere/catalog.yaml: the catalog cannot be read: No such file or directory; put a "
              "file there that the user of this process may read, or name another with --catalog "
              "FILE\n");
    EXPECT_NE(all_problems(load_catalog("/")).find("Is a directory"), std::string::npos);
}

TEST(CatalogFiles, AFileThatIsTooLargeIsAProblem) {
    const Folder folder;
    const std::string path = folder.path() / "catalog.yaml";
    std::ofstream(path) << "events:\n  a.b:\n" << std::string(kCatalogBytesMax, '#');

    const Loaded loaded = load_catalog(path);
    EXPECT_EQ(loaded.catalog, nullptr);
    EXPECT_NE(all_problems(loaded).find("the catalog is larger than 4 MiB"), std::string::npos);
}

}  // namespace
}  // namespace eventbus
