# There is no init that a plain poweroff could ask.
alias poweroff='poweroff -f'
alias reboot='reboot -f'
PS1='oxrtas:\w# '
