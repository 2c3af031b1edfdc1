/**
 * Known-answer tests of the cryptographic kernels, run once per thread before the media core is used: a build that a compiler or an
 * engine has broken must refuse to start, not to record. Vectors: FIPS 197 appendix C, RFC 3711 appendix B.2, RFC 2202 section 3, and
 * test case 2 of the GCM specification.
 */
const PAGE_BYTES = 65_536;
/** Behind what the kernels use themselves. */
const INPUT_AT = PAGE_BYTES;
const KEYS_AT = INPUT_AT + 0x1000;
const OUTPUT_AT = INPUT_AT + 0x2000;

interface Kernels {
  initialise(): void;
  aesExpandCounterKey(key: number, keyBytes: number, to: number): void;
  aesEncrypt(keys: number, rounds: number, block: number, to: number): void;
  aesCounterMode(
    keys: number,
    rounds: number,
    iv: number,
    counter: number,
    from: number,
    to: number,
    blocks: number,
  ): void;
  hmacSha1Key(key: number, keyBytes: number, state: number): void;
  sha1Pad(message: number, bytes: number): number;
  hmacSha1(state: number, message: number, blocks: number, tag: number): void;
  hmacSha1x4(...statesMessagesBlocksAndTags: number[]): void;
  ghashKey(h: number, tables: number): void;
  ghashTo(tables: number, blocks: number, count: number, to: number): void;
}

const FIPS_197 = {
  key: '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f',
  block: '00112233445566778899aabbccddeeff',
  ciphertexts: {
    16: '69c4e0d86a7b0430d8cdb78070b4c55a',
    24: 'dda97ca4864cdfe06eaf70a0ec0d7191',
    32: '8ea2b7ca516745bfeafc49904b496089',
  },
};

const RFC_3711_B_2 = {
  key: '2b7e151628aed2a6abf7158809cf4f3c',
  iv: 'f0f1f2f3f4f5f6f7f8f9fafbfcfd0000',
  from: {
    0: 'e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab41e95b3bb0a2e8dd477901e4fca894c0',
    65279: 'ec8cdf7398607cb0f2d21675ea9ea1e4362b7c3c6773516318a077d7fc5073ae6a2cc3787889374fbeb4c81b17ba6c44',
  },
};

const RFC_2202_1 = { keyByte: 0x0b, message: 'Hi There', tag: 'b617318655057264e28bc0b6fb378c8ef146be00' };

const GCM_2 = {
  h: '66e94bd4ef8a2c3b884cfa59ca342b2e',
  blocks: '0388dace60b6a392f328c2b971b2fe7800000000000000000000000000000080',
  hash: 'f38cbb1ad69223dcc3457ae5b6b0f885',
};

/** @throws Error that names the kernel which gives a wrong answer. */
export function selfTest(module: WebAssembly.Module): void {
  const memory = new WebAssembly.Memory({ initial: 2, maximum: 2, shared: true });
  const kernels = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Kernels;
  kernels.initialise();
  const test = new KernelTest(kernels, new Uint8Array(memory.buffer));
  test.aes();
  test.counterMode();
  test.hmacSha1();
  test.ghash();
}

class KernelTest {
  readonly #kernels: Kernels;
  readonly #bytes: Uint8Array;

  constructor(kernels: Kernels, bytes: Uint8Array) {
    this.#kernels = kernels;
    this.#bytes = bytes;
  }

  aes(): void {
    for (const [bytes, ciphertext] of Object.entries(FIPS_197.ciphertexts)) {
      const keyBytes = Number(bytes);
      this.#put(FIPS_197.key);
      this.#kernels.aesExpandCounterKey(INPUT_AT, keyBytes, KEYS_AT);
      this.#put(FIPS_197.block);
      this.#kernels.aesEncrypt(KEYS_AT, keyBytes / 4 + 6, INPUT_AT, OUTPUT_AT);
      this.#expect(`AES-${keyBytes * 8}`, ciphertext);
    }
  }

  counterMode(): void {
    this.#put(RFC_3711_B_2.key);
    this.#kernels.aesExpandCounterKey(INPUT_AT, 16, KEYS_AT);
    this.#put(RFC_3711_B_2.iv);
    for (const [counter, keyStream] of Object.entries(RFC_3711_B_2.from)) {
      this.#bytes.fill(0, OUTPUT_AT, OUTPUT_AT + 48);
      this.#kernels.aesCounterMode(KEYS_AT, 10, INPUT_AT, Number(counter), OUTPUT_AT, OUTPUT_AT, 3);
      this.#expect('AES in counter mode', keyStream);
    }
  }

  hmacSha1(): void {
    const { keyByte, message, tag } = RFC_2202_1;
    this.#bytes.fill(keyByte, INPUT_AT, INPUT_AT + 20);
    this.#kernels.hmacSha1Key(INPUT_AT, 20, KEYS_AT);
    this.#bytes.set(Buffer.from(message), INPUT_AT);
    const blocks = this.#kernels.sha1Pad(INPUT_AT, message.length);
    this.#kernels.hmacSha1(KEYS_AT, INPUT_AT, blocks, OUTPUT_AT);
    this.#expect('HMAC-SHA1', tag);
    const four = (value: number) => [value, value, value, value];
    this.#kernels.hmacSha1x4(...four(KEYS_AT), ...four(INPUT_AT), ...four(blocks), OUTPUT_AT);
    for (let lane = 0; lane < 4; lane++) this.#expect('HMAC-SHA1 in four lanes', tag, OUTPUT_AT + 32 * lane);
  }

  ghash(): void {
    this.#put(GCM_2.h);
    this.#kernels.ghashKey(INPUT_AT, KEYS_AT);
    this.#put(GCM_2.blocks);
    this.#kernels.ghashTo(KEYS_AT, INPUT_AT, 2, OUTPUT_AT);
    this.#expect('GHASH', GCM_2.hash);
  }

  #put(hex: string): void {
    this.#bytes.set(Buffer.from(hex, 'hex'), INPUT_AT);
  }

  #expect(kernel: string, hex: string, at = OUTPUT_AT): void {
    const found = Buffer.from(this.#bytes.subarray(at, at + hex.length / 2)).toString('hex');
    if (found !== hex) throw new Error(`the media core is broken: ${kernel} gives a wrong answer on this machine`);
  }
}
