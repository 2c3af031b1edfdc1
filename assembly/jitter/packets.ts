/**
 * The packets that wait in a player: payloads copied into slots, and the numbers of the slots in the order of their places on the
 * player's time line. Packets come nearly in order, so a new one finds its place from the end.
 */

import {
  PACKET_BYTES_AT,
  PACKET_PAYLOAD_AT,
  PACKET_PLACE_I64_AT,
  PLAYER_FREE_SLOTS_I64_AT,
  PLAYER_ORDER_AT,
  PLAYER_SLOT_BYTES,
  PLAYER_SLOTS,
  PLAYER_SLOTS_AT,
  PLAYER_WAITING_PACKETS_AT,
} from '../layout';

export function clearPackets(player: usize): void {
  store<u32>(player, 0, PLAYER_WAITING_PACKETS_AT);
  store<i64>(player, -1, PLAYER_FREE_SLOTS_I64_AT);
}

export function slotAt(player: usize, slot: u32): usize {
  return player + PLAYER_SLOTS_AT + slot * PLAYER_SLOT_BYTES;
}

/** The first packet, 0 when there is none. */
export function firstPacket(player: usize): usize {
  if (load<u32>(player, PLAYER_WAITING_PACKETS_AT) == 0) return 0;
  return slotAt(player, load<u8>(player, PLAYER_ORDER_AT));
}

/** Copies a payload of at most MAX_PLAYER_PAYLOAD_BYTES to its place; a slot must be free. Gives the slot. */
export function addPacket(player: usize, place: i64, payload: usize, bytes: u32): usize {
  const free = load<u64>(player, PLAYER_FREE_SLOTS_I64_AT);
  const slot = ctz<u64>(free) as u32;
  store<u64>(player, free & (free - 1), PLAYER_FREE_SLOTS_I64_AT);
  const packet = slotAt(player, slot);
  store<i64>(packet, place, PACKET_PLACE_I64_AT);
  store<u32>(packet, bytes, PACKET_BYTES_AT);
  memory.copy(packet + PACKET_PAYLOAD_AT, payload, bytes);
  const count = load<u32>(player, PLAYER_WAITING_PACKETS_AT);
  const order = player + PLAYER_ORDER_AT;
  let at = count;
  for (; at > 0; at--) {
    const before = load<u8>(order + at - 1);
    if (load<i64>(slotAt(player, before), PACKET_PLACE_I64_AT) <= place) break;
    store<u8>(order + at, before);
  }
  store<u8>(order + at, slot);
  store<u32>(player, count + 1, PLAYER_WAITING_PACKETS_AT);
  return packet;
}

export function isFull(player: usize): bool {
  return load<u32>(player, PLAYER_WAITING_PACKETS_AT) >= (PLAYER_SLOTS as u32);
}

/** Frees the slot of a waiting packet; nearly always it is the first. */
export function removePacket(player: usize, packet: usize): void {
  const order = player + PLAYER_ORDER_AT;
  const count = load<u32>(player, PLAYER_WAITING_PACKETS_AT);
  let at: usize = 0;
  while (at < (count as usize) && slotAt(player, load<u8>(order + at)) != packet) at++;
  if (at == (count as usize)) return;
  const slot = load<u8>(order + at) as u64;
  memory.copy(order + at, order + at + 1, (count as usize) - at - 1);
  store<u32>(player, count - 1, PLAYER_WAITING_PACKETS_AT);
  store<u64>(player, load<u64>(player, PLAYER_FREE_SLOTS_I64_AT) | ((1 as u64) << slot), PLAYER_FREE_SLOTS_I64_AT);
}
