/** Addresses as bytes and as text. */
import assert from 'node:assert/strict';
import { isIP, SocketAddress } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { addressBytes, addressText, isUnspecified } from '../../src/media/address.ts';

/** As Node writes it: the same address has one text. */
const written = (address: string) =>
  new SocketAddress({ address, family: isIP(address) === 6 ? 'ipv6' : 'ipv4' }).address;

test('the text of an address is read as the same address', () => {
  const oneOf = fc.oneof(
    fc.ipV4(),
    fc.ipV6().filter((address) => !/^(0*:)*:?(ffff:|:)*\d+\./.test(address)),
  );
  fc.assert(
    fc.property(oneOf, (address) => {
      const text = addressText(addressBytes(address));
      assert.deepEqual(addressBytes(text), addressBytes(address));
      if (isIP(address) === isIP(text)) assert.equal(written(text), written(address));
    }),
  );
});

test('an address that is nobody’s is told from others', () => {
  for (const address of ['0.0.0.0', '::', '0:0:0:0:0:0:0:0']) assert.ok(isUnspecified(addressBytes(address)), address);
  for (const address of ['0.0.0.1', '127.0.0.1', '::1', '1::', '::2:0:0']) {
    assert.ok(!isUnspecified(addressBytes(address)), address);
  }
});
