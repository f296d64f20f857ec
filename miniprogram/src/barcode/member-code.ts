import { inFours } from '../format'
import { barPicture, qrPicture, type Picture, type Screen } from './picture'

/** A member's code as it is shown to the till. */
export interface MemberCode {
  bars?: Picture
  qr?: Picture
  /** The characters, in groups; empty if they are not shown. */
  characters: string
}

interface Kind {
  bars?: boolean
  qr?: boolean
  characters?: boolean
}

/** What WeChat shows for a card's code_type. */
const kinds: Record<string, Kind> = {
  CODE_TYPE_TEXT: { characters: true },
  CODE_TYPE_BARCODE: { bars: true, characters: true },
  CODE_TYPE_QRCODE: { qr: true, characters: true },
  CODE_TYPE_ONLY_BARCODE: { bars: true },
  CODE_TYPE_ONLY_QRCODE: { qr: true },
  CODE_TYPE_NONE: {},
}
const everything: Kind = { bars: true, qr: true, characters: true }

const barHeight = 96
const widestQr = 240

/** Draws a code the way the card's code_type says; if that is unknown, in every way. */
export function memberCode(code: string, codeType: string | undefined, screen: Screen): MemberCode {
  const kind = kinds[codeType ?? ''] ?? everything
  const bars = kind.bars ? barPicture(code, screen, barHeight) : undefined
  const qr = kind.qr ? qrPicture(code, { ...screen, width: Math.min(screen.width, widestQr) }) : undefined
  // Characters that cannot be drawn can be typed.
  const failed = (kind.bars && !bars) || (kind.qr && !qr)
  return { bars, qr, characters: kind.characters || failed ? inFours(code) : '' }
}
