/** CRC32C (Castagnoli, RFC 3720 B.4), eight bytes a step by eight tables, which stand at a layout address. */
import { CRC_TABLE_AT } from '../layout';

const POLYNOMIAL: u32 = 0x82f63b78; // reflected 0x1edc6f41

export function buildCrcTable(): void {
  for (let n: u32 = 0; n < 256; n++) {
    let crc = n;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    store<u32>(CRC_TABLE_AT + (n << 2), crc);
  }
  for (let n: u32 = 0; n < 256; n++) {
    let crc = load<u32>(CRC_TABLE_AT + (n << 2));
    for (let table: u32 = 1; table < 8; table++) {
      crc = (crc >>> 8) ^ load<u32>(CRC_TABLE_AT + ((crc & 255) << 2));
      store<u32>(CRC_TABLE_AT + (table << 10) + (n << 2), crc);
    }
  }
}

function entry(table: u32, byte: u32): u32 {
  return load<u32>(CRC_TABLE_AT + (table << 10) + ((byte & 255) << 2));
}

export function crc32c(at: usize, bytes: u32): u32 {
  let crc: u32 = 0xffffffff;
  const end = at + bytes;
  for (; at + 8 <= end; at += 8) {
    const low = load<u32>(at) ^ crc;
    const high = load<u32>(at, 4);
    crc =
      entry(7, low) ^
      entry(6, low >>> 8) ^
      entry(5, low >>> 16) ^
      entry(4, low >>> 24) ^
      entry(3, high) ^
      entry(2, high >>> 8) ^
      entry(1, high >>> 16) ^
      entry(0, high >>> 24);
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ entry(0, crc ^ load<u8>(at));
  return ~crc;
}
