export function f(p: usize): i32 { return load<i32>(p); }
