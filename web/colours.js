/** WeChat's names for card colours. The lighter ones are darker here: white text on them has a contrast of 4.5 at least. */
const colours = {
  Color010: '#498441',
  Color020: '#248556',
  Color030: '#3f7d9e',
  Color040: '#4e76b8',
  Color050: '#8e61be',
  Color060: '#956e31',
  Color070: '#917123',
  Color080: '#a8662a',
  Color081: '#b16200',
  Color082: '#63801a',
  Color090: '#be563e',
  Color100: '#cc463d',
  Color101: '#cf3e36',
  Color102: '#5e6671',
}

export const colourOf = (name) => colours[name] || colours.Color102
