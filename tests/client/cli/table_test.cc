#include "client/cli/console/table.h"

#include <gtest/gtest.h>

namespace treadle::cli {
namespace {

Table TwoRows() {
  Table table({{"NAME"}, {"QUEUED", Table::Align::kRight}, {"ERROR"}});
  table.Add({"mail", "12", ""});
  table.Add({"żółw", "1000000", "a long story about a line that does not fit"});
  return table;
}

TEST(Table, ColumnsAreAlignedAndLinesEndWithoutBlanks) {
  EXPECT_EQ(TwoRows().Render(0),
            "NAME   QUEUED  ERROR\n"
            "mail       12\n"
            "żółw  1000000  a long story about a line that does not fit\n");
}

TEST(Table, OnATerminalTheLastColumnIsCutToFit) {
  EXPECT_EQ(TwoRows().Render(40),
            "NAME   QUEUED  ERROR\n"
            "mail       12\n"
            "żółw  1000000  a long story about a l...\n");
}

TEST(Table, TheLastColumnKeepsAMinimum) {
  EXPECT_EQ(TwoRows().Render(10),
            "NAME   QUEUED  ERROR\n"
            "mail       12\n"
            "żółw  1000000  a long story ...\n");
}

TEST(Table, OnANarrowTerminalOtherTextIsCutTooButNoNameAndNoNumber) {
  Table table({{"ID"},
               {"TYPE"},
               {"STATE", Table::Align::kLeft, true},
               {"COUNT", Table::Align::kRight},
               {"QUEUE"},
               {"ERROR"}});
  table.Add({"cnxyxkq15f-1", "exec:/usr/bin/printf", "SUCCEEDED", "1000000", "default", "none"});
  EXPECT_EQ(table.Render(62),
            "ID            TYPE          STATE        COUNT  QUEUE    ERROR\n"
            "cnxyxkq15f-1  exec:/usr...  SUCCEEDED  1000000  default  none\n");
  EXPECT_EQ(table.Render(20),
            "ID            TYPE      STATE        COUNT  QUEUE    ERROR\n"
            "cnxyxkq15f-1  exec:...  SUCCEEDED  1000000  default  none\n");
}

TEST(Table, CellsCannotBreakLines) {
  Table table({{"A"}, {"B"}});
  table.Add({"x\ny", "\x1b[2J"});
  EXPECT_EQ(table.Render(0), "A     B\nx\\ny  \\x1b[2J\n");
}

TEST(Table, StatesHaveColoursWhereTheyAreWanted) {
  Table table({{"STATE", Table::Align::kLeft, true}, {"N"}});
  table.Add({"RUNNING", "1"});
  table.Add({"QUEUED", "2"});
  EXPECT_EQ(table.Render(0, true), "STATE    N\n\x1b[36mRUNNING\x1b[0m  1\nQUEUED   2\n");
  EXPECT_EQ(table.Render(0), "STATE    N\nRUNNING  1\nQUEUED   2\n");
}

TEST(Sheet, NamesOnTheLeftAndEmptyFieldsLeftOut) {
  Sheet sheet;
  sheet.Add("id", "3f-1");
  sheet.Add("worker", "");
  sheet.Add("last error", "boom\n\x1b[2J\n");
  EXPECT_EQ(sheet.Render(),
            "id          3f-1\n"
            "last error  boom\n"
            "            \\x1b[2J\n");
}

}  // namespace
}  // namespace treadle::cli
