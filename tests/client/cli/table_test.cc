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
            "cnxyxkq15f-1  exec...rintf  SUCCEEDED  1000000  default  none\n");
  EXPECT_EQ(table.Render(20),
            "ID            TYPE      STATE        COUNT  QUEUE    ERROR\n"
            "cnxyxkq15f-1  ex...ntf  SUCCEEDED  1000000  default  none\n");
}

TEST(Table, ANarrowTerminalLeavesOutColumnsThatMayGo) {
  Table table({{"NAME"},
               {"ORDER", Table::Align::kLeft, false, /*drop=*/2},
               {"QUEUED", Table::Align::kRight},
               {"FAILED", Table::Align::kRight, false, /*drop=*/1}});
  table.Add({"tenant-4711.invoices.render-and-send", "PRIORITY", "1000000", "12"});
  EXPECT_EQ(table.Render(63),
            "NAME                                  ORDER      QUEUED  FAILED\n"
            "tenant-4711.invoices.render-and-send  PRIORITY  1000000      12\n");
  // The name is cut first, but not to less than an id takes.
  EXPECT_EQ(table.Render(51),
            "NAME                      ORDER      QUEUED  FAILED\n"
            "tenant-471...er-and-send  PRIORITY  1000000      12\n");
  EXPECT_EQ(table.Render(50),
            "NAME                                QUEUED  FAILED\n"
            "tenant-4711.inv...render-and-send  1000000      12\n");
  EXPECT_EQ(table.Render(40),
            "NAME                              QUEUED\n"
            "tenant-4711.in...ender-and-send  1000000\n");
  // Numbers are whole, whatever becomes of the line.
  EXPECT_EQ(table.Render(10),
            "NAME               QUEUED\n"
            "tenant...nd-send  1000000\n");
}

TEST(Table, AColumnMayKeepAWidth) {
  Table table({{"NAME", Table::Align::kLeft, false, 0, 8}, {"N", kRight, false, 0, 4}});
  table.Add({"a", "1"});
  EXPECT_EQ(table.Render(80), "NAME         N\na            1\n");
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
  EXPECT_EQ(sheet.Render(0),
            "id          3f-1\n"
            "last error  boom\n"
            "            \\x1b[2J\n");
}

TEST(Sheet, OnATerminalValuesAreBrokenBetweenWords) {
  Sheet sheet;
  sheet.Add("id", "3f-1");
  sheet.Add("why", "no worker serves queue 'mail'; until somebody does something about it");
  sheet.Add("path", "/usr/lib/x86_64-linux-gnu/libtreadle.so.1 is what it loads");
  EXPECT_EQ(sheet.Render(40),
            "id    3f-1\n"
            "why   no worker serves queue 'mail';\n"
            "      until somebody does something\n"
            "      about it\n"
            "path  /usr/lib/x86_64-linux-gnu/libtreadle.so.1\n"
            "      is what it loads\n");
}

}  // namespace
}  // namespace treadle::cli
