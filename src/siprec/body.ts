/** The body of a recording client's requests: offer and metadata in one multipart/mixed (RFC 7866 9.1). */
import type { Sdp } from '../sdp/index.ts';
import { METADATA_CONTENT_TYPE, type RsMetadata } from './metadata.ts';
import { buildMetadata, METADATA_DISPOSITION } from './metadata-write.ts';
import { buildMultipart, type TypedBody } from './multipart.ts';

/** Offer and metadata (data, or XML already written) as one body. */
export function buildSiprecBody(offer: Sdp, metadata: RsMetadata | string): TypedBody {
  return buildMultipart([
    { contentType: 'application/sdp', content: offer.toBytes() },
    {
      contentType: METADATA_CONTENT_TYPE,
      disposition: METADATA_DISPOSITION,
      content: typeof metadata === 'string' ? metadata : buildMetadata(metadata),
    },
  ]);
}
