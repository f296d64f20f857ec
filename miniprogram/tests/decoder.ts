/** Reads barcodes from pictures with ZXing, which shares no code with the mini-program. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { prepareZXingModule, readBarcodes, type ReadInputBarcodeFormat } from 'zxing-wasm/reader'

// By default, the package would load its program from another server.
const program = readFileSync(fileURLToPath(import.meta.resolve('zxing-wasm/reader/zxing_reader.wasm')))
prepareZXingModule({ overrides: { wasmBinary: new Uint8Array(program).buffer } })

const formats: ReadInputBarcodeFormat[] = ['QRCode', 'Code128']

/**
 * Returns the texts in a picture, a PNG file or pixels, by format. The picture is read in its own size: made smaller,
 * a flawless barcode with modules of 4 pixels blurs, and 1i706285 is read as another code with the same checksum.
 */
export async function decode(picture: Parameters<typeof readBarcodes>[0]): Promise<Record<string, string>> {
  const found = await readBarcodes(picture, { formats, maxNumberOfSymbols: 4, tryDownscale: false })
  return Object.fromEntries(found.map((code) => [code.format, code.text]))
}
