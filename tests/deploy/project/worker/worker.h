#pragma once

#include <string>

inline std::string Greeting(const std::string& name, int times) {
  std::string text = "Hello";
  for (int i = 0; i < times; ++i) text += ", " + name;
  return text;
}
