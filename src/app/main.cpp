#include "app/cli.h"

int main(int argc, char** argv) { return eventbus::run_command_line(argc, argv); }
